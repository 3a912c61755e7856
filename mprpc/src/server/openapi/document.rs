//! The document: an operation for each unary method and for each HTTP rule.

use std::collections::HashSet;

use super::OpenApiInfo;
use super::json::Json;
use super::parameters::{OperationPath, query_parameters};
use super::schemas::{Schemas, error_reference};
use crate::codec::BUILT_IN_FILES;
use crate::codec::message_types::{MessageTypes, MethodType, Remarks};
use crate::method::{HttpBody, HttpRule, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::protocol::http::template::Template;
use crate::server::rest::resolve;

/// Makes the document of these services. Those without descriptors are only named.
pub(super) fn document(services: &[&'static ServiceDescriptor], told: &OpenApiInfo) -> Json {
    let types = MessageTypes::new(services.iter().map(|service| service.files).chain([BUILT_IN_FILES]));
    let (known, unknown): (Vec<&ServiceDescriptor>, Vec<_>) =
        services.iter().partition(|service| types.service(service.name).is_some());
    let schemas = Schemas::new(&types);
    let mut builder = Builder { types: &types, schemas, paths: Vec::new(), operation_ids: HashSet::new() };
    let mut tags = Vec::new();
    for service in &known {
        tags.push(builder.service(service));
    }
    let Builder { schemas, paths, .. } = builder;
    let paths =
        paths.into_iter().fold(Json::object(), |json, item| json.with(item.text, Json::Object(item.operations)));
    let error = Json::object()
        .with("description", "The call failed. The HTTP status follows from the code.")
        .with("content", content("application/json", error_reference()));
    let components =
        Json::object().with("schemas", schemas.finish()).with("responses", Json::object().with("Error", error));
    Json::object()
        .with("openapi", "3.1.0")
        .with("info", info(&known, &unknown, told))
        .with("tags", tags)
        .with("paths", paths)
        .with("components", components)
}

fn info(known: &[&'static ServiceDescriptor], unknown: &[&'static ServiceDescriptor], told: &OpenApiInfo) -> Json {
    let names =
        |services: &[&ServiceDescriptor]| services.iter().map(|service| service.name).collect::<Vec<_>>().join(", ");
    let mut versions = known.iter().map(|service| version_of(service.name));
    let first = versions.next().flatten();
    let version = first.filter(|first| versions.all(|version| version == Some(first))).unwrap_or("0");
    let description =
        format!("Not in this document, because their .proto files are not in the program: {}.", names(unknown));
    Json::object()
        .with("title", told.title.clone().unwrap_or_else(|| names(known)))
        .with("version", told.version.as_deref().unwrap_or(version).to_owned())
        .with_some("description", (!unknown.is_empty()).then_some(description))
}

/// The part of a package name that is a version: `v1` of `library.v1.Shelves`.
fn version_of(service: &'static str) -> Option<&'static str> {
    let is_version = |part: &&str| {
        let number = part.strip_prefix('v').unwrap_or_default();
        number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    service.rsplit('.').skip(1).find(is_version)
}

struct Builder<'a> {
    types: &'a MessageTypes,
    schemas: Schemas<'a>,
    paths: Vec<PathItem>,
    operation_ids: HashSet<String>,
}

/// A path and its operations.
struct PathItem {
    shape: String,
    text: String,
    /// The names of the parameters in the path.
    names: Vec<String>,
    operations: Vec<(std::borrow::Cow<'static, str>, Json)>,
}

impl PathItem {
    fn has(&self, http_method: &str) -> bool {
        self.operations.iter().any(|(known, _)| known == http_method)
    }
}

impl Builder<'_> {
    /// Adds the operations of a service. Returns its tag.
    fn service(&mut self, service: &'static ServiceDescriptor) -> Json {
        let mut left_out = Vec::new();
        for method in service.methods {
            let Some(known) = self.types.method(&method.path) else { continue };
            if method.kind == MethodKind::Unary {
                self.method(method, known);
            }
            let rules = method.http.iter().filter(|_| !method.kind.streams_requests()).enumerate();
            let added = rules.filter(|(index, rule)| self.rule(method, known, rule, *index).is_some()).count();
            if method.kind != MethodKind::Unary && added == 0 {
                left_out.push(format!("`{}`", method.name));
            }
        }
        let notes = (!left_out.is_empty())
            .then(|| format!("OpenAPI cannot describe the streams of these methods: {}.", left_out.join(", ")));
        let remarks = self.types.service(service.name).unwrap_or_default();
        let tag = Json::object().with("name", service.name);
        tag.with_remarks(Remarks { is_deprecated: false, ..remarks }, notes)
    }

    /// Adds the operation at the path of the method itself.
    fn method(&mut self, method: &'static MethodDescriptor, known: MethodType) {
        let path = format!("/{}", method.path);
        let body = self.schemas.message(known.request);
        let reply = self.schemas.message(known.reply);
        let operation = self
            .operation(method, known.remarks, method.path.replace('/', "."))
            .with("requestBody", request_body(body))
            .with("responses", responses("The reply.", content("application/json", reply)));
        self.item(&path, &path, Vec::new()).operations.push(("post".into(), operation));
    }

    /// Adds the operations of a rule. `None` if the server does not serve the rule, or another rule first.
    fn rule(
        &mut self,
        method: &'static MethodDescriptor,
        known: MethodType,
        rule: &'static HttpRule,
        index: usize,
    ) -> Option<()> {
        let template = Template::parse(rule.template).ok()?;
        let http_methods: &[&'static str] = match rule.method {
            "*" => &["get", "put", "post", "delete", "patch"],
            "GET" => &["get"],
            "PUT" => &["put"],
            "POST" => &["post"],
            "DELETE" => &["delete"],
            "PATCH" => &["patch"],
            "HEAD" if !method.kind.streams_replies() => &["head"],
            _ => return None,
        };
        let (body, elsewhere) = match rule.body {
            HttpBody::Whole => (Some(self.schemas.message(known.request)), None),
            HttpBody::Empty => (None, Some(None)),
            HttpBody::Field(name) => {
                let path = resolve(self.types, known.request, name)?;
                (Some(self.schemas.field(path.last()?)), Some(Some(name)))
            }
        };
        let reply = match rule.response_body {
            None => self.schemas.message(known.reply),
            Some(name) => {
                let field = self.types.field(known.reply, name)?.clone();
                self.schemas.field(&field)
            }
        };
        let query = match elsewhere {
            None => Vec::new(),
            Some(body) => {
                let elsewhere: Vec<&str> = template.fields().chain(body).collect();
                query_parameters(known.request, &elsewhere, self.types, &mut self.schemas)
            }
        };
        let mut is_added = false;
        for http_method in http_methods {
            let path = OperationPath::new(&template, known.request, self.types, &mut self.schemas)?;
            let names = path.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            let item = self.item(&path.shape, &path.text(), names);
            if item.has(http_method) {
                continue;
            }
            let parameters = path.parameters.into_iter().zip(&item.names).map(|(parameter, name)| parameter.json(name));
            let parameters = parameters.chain(query.iter().cloned()).collect();
            let id = match http_methods {
                [_] => format!("{}_{}", method.path.replace('/', "."), index + 1),
                _ => format!("{}_{}_{http_method}", method.path.replace('/', "."), index + 1),
            };
            let operation = self
                .operation(method, known.remarks, id)
                .with_list("parameters", parameters)
                .with_some("requestBody", body.clone().map(request_body))
                .with("responses", replies(method.kind, reply.clone()));
            self.item(&path.shape, "", Vec::new()).operations.push(((*http_method).into(), operation));
            is_added = true;
        }
        is_added.then_some(())
    }

    /// The item of a path of this shape. A new item has the text and the names.
    fn item(&mut self, shape: &str, text: &str, names: Vec<String>) -> &mut PathItem {
        let place = self.paths.iter().position(|item| item.shape == shape).unwrap_or(self.paths.len());
        if place == self.paths.len() {
            self.paths.push(PathItem { shape: shape.into(), text: text.into(), names, operations: Vec::new() });
        }
        &mut self.paths[place]
    }

    /// The begin of an operation.
    fn operation(&mut self, method: &'static MethodDescriptor, remarks: Remarks, mut id: String) -> Json {
        while !self.operation_ids.insert(id.clone()) {
            id.push('_');
        }
        let tags = vec![method.service().to_owned()];
        Json::object().with("operationId", id).with("tags", tags).with_remarks(remarks, None)
    }
}

fn request_body(schema: Json) -> Json {
    Json::object().with("required", true).with("content", content("application/json", schema))
}

fn content(content_type: &'static str, schema: Json) -> Json {
    Json::object().with(content_type, Json::object().with("schema", schema))
}

fn responses(description: &'static str, content: Json) -> Json {
    let error = Json::object().with("$ref", "#/components/responses/Error");
    let success = Json::object().with("description", description).with("content", content);
    Json::object().with("200", success).with("default", error)
}

/// The responses of a call by an HTTP path.
fn replies(kind: MethodKind, reply: Json) -> Json {
    if !kind.streams_replies() {
        return responses("The reply.", content("application/json", reply));
    }
    let line = Json::object().with("result", reply).with("error", error_reference());
    let line = Json::object().with("type", "object").with("properties", line);
    let text = "A stream of replies: a line of JSON for each, with `result`, or with `error` as the last line. With `accept: \
                text/event-stream`, an event for each reply, and an event `end`.";
    let events = Json::object().with("schema", Json::object().with("type", "string"));
    responses(text, content("application/x-ndjson", line).with("text/event-stream", events))
}
