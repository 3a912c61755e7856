//! The `.proto` files of services, linked, so that messages can be read without generated code. It asks nobody for them.

use std::path::PathBuf;
use std::sync::Arc;

use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};
use buffa_descriptor::{DescriptorPool, MessageIndex};
use mprpc::{Error, ErrorKind, Message, Method, MethodKind};

/// The linked files of one or several services.
#[derive(Debug)]
pub(crate) struct Schema {
    pool: Arc<DescriptorPool>,
    /// The length of the encoded files.
    bytes: usize,
    /// The encoded files, if the command line names them.
    encoded: Vec<u8>,
}

/// A method of a schema, with the types of its messages.
#[derive(Clone, Debug)]
pub(crate) struct MethodTypes {
    pub(crate) pool: Arc<DescriptorPool>,
    pub(crate) input: MessageIndex,
    pub(crate) output: MessageIndex,
    pub(crate) kind: MethodKind,
}

impl Schema {
    /// Links files, whose encoded forms have `bytes` together. The error says what is wrong with them.
    pub(crate) fn new(files: Vec<FileDescriptorProto>, bytes: usize) -> Result<Schema, String> {
        let set = FileDescriptorSet { file: files, ..Default::default() };
        let pool = DescriptorPool::new(set).map_err(|error| error.to_string())?;
        Ok(Schema { pool: Arc::new(pool), bytes, encoded: Vec::new() })
    }

    /// Reads and compiles what the command line names. `None` if it names nothing.
    pub(crate) fn read(
        protos: &[PathBuf],
        includes: &[PathBuf],
        descriptor_sets: &[PathBuf],
    ) -> Result<Option<Schema>, Error> {
        let mut sets = Vec::new();
        if !protos.is_empty() {
            let compiler = mprpc_build::Config { includes: includes.to_vec(), ..Default::default() };
            let set = compiler.descriptor_set(protos);
            sets.push(("--proto".to_owned(), set.map_err(|error| wrong("--proto", error))?));
        }
        for path in descriptor_sets {
            let name = path.display().to_string();
            sets.push((name.clone(), std::fs::read(path).map_err(|error| wrong(&name, error))?));
        }
        let (mut pool, mut encoded) = (DescriptorPool::default(), Vec::new());
        for (name, set) in &sets {
            // Encoded sets behind one another are one encoded set.
            encoded.extend_from_slice(set);
            // The user chose the files, so only their number bounds them.
            let options = buffa::DecodeOptions::new().with_element_memory_limit(usize::MAX);
            let set: FileDescriptorSet = options.decode_from_slice(set).map_err(|error| wrong(name, error))?;
            pool.add_file_descriptor_set(set).map_err(|error| wrong(name, error))?;
        }
        Ok((!sets.is_empty()).then(|| Schema { pool: Arc::new(pool), bytes: encoded.len(), encoded }))
    }

    /// The length of the encoded files.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The encoded files, if the command line names them.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The linked files.
    pub(crate) fn pool(&self) -> &Arc<DescriptorPool> {
        &self.pool
    }

    /// The full name of a service, which may be named without its package. `None` if no service, or several, have the name.
    pub(crate) fn full_name<'a>(&'a self, service: &'a str) -> Option<&'a str> {
        if self.pool.service_by_name(service).is_some() {
            return Some(service);
        }
        let mut found = self.services().filter(|full| full.rsplit('.').next() == Some(service));
        found.next().filter(|_| found.next().is_none())
    }

    /// The full names of all services.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.pool.services().iter().map(|service| service.full_name())
    }

    /// The types of a method.
    pub(crate) fn method(&self, service: &str, method: &str) -> Option<MethodTypes> {
        let method = self.pool.service_by_name(service)?.method(method)?;
        let kind = kind(method.is_client_streaming(), method.is_server_streaming());
        Some(MethodTypes { pool: self.pool.clone(), input: method.input(), output: method.output(), kind })
    }

    /// The methods of a service, for the page that lists them.
    pub(crate) fn methods(&self, service: &str) -> Vec<Method> {
        let methods = self.pool.service_by_name(service).map(|service| service.methods()).unwrap_or_default();
        let described = methods.iter().map(|method| {
            let kind = kind(method.is_client_streaming(), method.is_server_streaming());
            Method::named(service, method.name(), kind)
        });
        described.collect()
    }
}

pub(crate) fn kind(streams_requests: bool, streams_replies: bool) -> MethodKind {
    match (streams_requests, streams_replies) {
        (false, false) => MethodKind::Unary,
        (true, false) => MethodKind::ClientStreaming,
        (false, true) => MethodKind::ServerStreaming,
        (true, true) => MethodKind::Bidirectional,
    }
}

/// Decodes a file that a provider sent. The error says what is wrong with it.
pub(crate) fn decode_file(bytes: &[u8]) -> Result<FileDescriptorProto, String> {
    FileDescriptorProto::decode_from_slice(bytes).map_err(|error| error.to_string())
}

fn wrong(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("{what}: {why}"))
}
