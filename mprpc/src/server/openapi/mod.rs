//! The OpenAPI document of a server's services, from the descriptors that generated code contains. It serves no request.
//!
//! Source: <https://spec.openapis.org/oas/v3.1.1.html>.

mod document;
mod json;
mod parameters;
mod schemas;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use bytes::Bytes;

use crate::method::ServiceDescriptor;

/// What the OpenAPI document at `/openapi.json` says of the server as a whole. [`Server::reflection`](crate::Server::reflection)
/// turns the document on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenApiInfo {
    /// The title. `None`: the names of the services.
    pub title: Option<String>,
    /// The version of the API. `None`: the version in the package of all services, `v1` of `library.v1`, or `0`.
    pub version: Option<String>,
}

/// The document of a server. The first request makes it.
#[derive(Default)]
pub(super) struct OpenApi {
    info: OpenApiInfo,
    made: OnceLock<Result<Document, String>>,
}

/// A document, encoded.
pub(super) struct Document {
    pub(super) json: Bytes,
    /// The entity tag, in quotes.
    pub(super) etag: String,
}

impl OpenApi {
    /// Creates the document, which is made at the first request.
    pub(super) fn new(info: OpenApiInfo) -> OpenApi {
        OpenApi { info, made: OnceLock::new() }
    }

    /// Returns the document of these services, which are the same each time. The error says why there is none: no service has
    /// descriptors, or the document is longer than `bytes_max`.
    pub(super) fn document(
        &self,
        services: impl Iterator<Item = &'static ServiceDescriptor>,
        bytes_max: usize,
    ) -> Result<&Document, &str> {
        let made = self.made.get_or_init(|| {
            let services: Vec<_> = services.collect();
            if services.iter().all(|service| service.files.is_empty()) {
                let text = "No .proto file of a service is in this program, so there is no OpenAPI document.";
                return Err(text.to_owned());
            }
            let mut json = Vec::new();
            document::document(&services, &self.info).write(&mut json);
            if json.len() > bytes_max {
                let bytes = json.len();
                return Err(format!("The OpenAPI document of {bytes} bytes is beyond message_bytes_max {bytes_max}."));
            }
            let mut hasher = DefaultHasher::new();
            json.hash(&mut hasher);
            Ok(Document { json: json.into(), etag: format!("\"{:016x}\"", hasher.finish()) })
        });
        made.as_ref().map_err(String::as_str)
    }
}
