//! An index of the `.proto` files that generated code contains: by name, by symbol and by extension. It reads names alone;
//! the files stay encoded.

use std::collections::{BTreeMap, HashMap, HashSet};

use buffa::encoding::{Tag, WireType, decode_varint, skip_field};

/// The files of descriptor sets.
#[derive(Debug, Default)]
pub(crate) struct DescriptorIndex {
    files: Vec<File>,
    by_name: HashMap<&'static str, usize>,
    by_symbol: HashMap<String, Symbol>,
    /// The file of each extension, by extended message and field number.
    extensions: HashMap<String, BTreeMap<i32, usize>>,
}

#[derive(Debug)]
struct File {
    encoded: &'static [u8],
    imports: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    file: usize,
    is_message: bool,
}

impl DescriptorIndex {
    /// Indexes encoded `google.protobuf.FileDescriptorSet`s. Of two different files with the same name, the first one has
    /// the name, and the symbols of both are found. Bytes that are no descriptor are left out.
    pub(crate) fn new(sets: impl IntoIterator<Item = &'static [u8]>) -> DescriptorIndex {
        let mut index = DescriptorIndex::default();
        for file in sets.into_iter().flat_map(|set| messages(set, SET_FILE)) {
            index.add(file);
        }
        index
    }

    /// Returns the number of the file with this name.
    pub(crate) fn file_named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the number of the file that defines this symbol: the full name of a service, method, message, field, oneof,
    /// enum, enum value or extension.
    pub(crate) fn file_with(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).map(|symbol| symbol.file)
    }

    /// Returns the number of the file that defines the extension of `message` with this field number.
    pub(crate) fn file_with_extension(&self, message: &str, number: i32) -> Option<usize> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// Returns the field numbers of all extensions of `message`, in order; `None` if there is no such message.
    pub(crate) fn extensions_of(&self, message: &str) -> Option<Vec<i32>> {
        match self.extensions.get(message) {
            Some(extensions) => Some(extensions.keys().copied().collect()),
            None => self.by_symbol.get(message).filter(|symbol| symbol.is_message).map(|_| Vec::new()),
        }
    }

    /// Returns a file, then the files that it imports, directly or through others, as encoded
    /// `google.protobuf.FileDescriptorProto`s. Leaves out imports in `sent`, and adds every returned file to it.
    pub(crate) fn with_imports(&self, file: usize, sent: &mut HashSet<usize>) -> Vec<&'static [u8]> {
        let mut found = vec![self.files[file].encoded];
        sent.insert(file);
        let mut next = vec![file];
        while let Some(file) = next.pop() {
            for import in self.files[file].imports.iter().filter_map(|name| self.file_named(name)) {
                if sent.insert(import) {
                    found.push(self.files[import].encoded);
                    next.push(import);
                }
            }
        }
        found
    }

    fn add(&mut self, encoded: &'static [u8]) {
        let Some(name) = text(encoded, FILE_NAME) else { return };
        let file = self.files.len();
        let first = *self.by_name.entry(name).or_insert(file);
        if first < file && self.files[first].encoded == encoded {
            return;
        }
        self.files.push(File { encoded, imports: texts(encoded, FILE_IMPORT).collect() });
        let package = text(encoded, FILE_PACKAGE).unwrap_or_default();
        for message in messages(encoded, FILE_MESSAGE) {
            self.add_message(file, package, message);
        }
        for item in messages(encoded, FILE_ENUM) {
            self.add_enum(file, package, item);
        }
        for extension in messages(encoded, FILE_EXTENSION) {
            self.add_extension(file, package, extension);
        }
        for service in messages(encoded, FILE_SERVICE) {
            let name = self.add_symbol(file, package, service, false);
            for method in messages(service, SERVICE_METHOD) {
                self.add_symbol(file, &name, method, false);
            }
        }
    }

    fn add_message(&mut self, file: usize, scope: &str, message: &'static [u8]) {
        let name = self.add_symbol(file, scope, message, true);
        for member in messages(message, MESSAGE_FIELD).chain(messages(message, MESSAGE_ONEOF)) {
            self.add_symbol(file, &name, member, false);
        }
        for nested in messages(message, MESSAGE_MESSAGE) {
            self.add_message(file, &name, nested);
        }
        for item in messages(message, MESSAGE_ENUM) {
            self.add_enum(file, &name, item);
        }
        for extension in messages(message, MESSAGE_EXTENSION) {
            self.add_extension(file, &name, extension);
        }
    }

    /// Adds an enum. The names of its values stand beside the enum, as in C++.
    fn add_enum(&mut self, file: usize, scope: &str, item: &'static [u8]) {
        self.add_symbol(file, scope, item, false);
        for value in messages(item, ENUM_VALUE) {
            self.add_symbol(file, scope, value, false);
        }
    }

    fn add_extension(&mut self, file: usize, scope: &str, extension: &'static [u8]) {
        self.add_symbol(file, scope, extension, false);
        let number = number(extension, FIELD_NUMBER).and_then(|number| i32::try_from(number).ok());
        if let (Some(extended), Some(number)) = (text(extension, FIELD_EXTENDEE), number) {
            let extended = extended.trim_start_matches('.').to_owned();
            self.extensions.entry(extended).or_default().entry(number).or_insert(file);
        }
    }

    /// Adds an item, whose field 1 is its name in every descriptor. Returns the full name.
    fn add_symbol(&mut self, file: usize, scope: &str, item: &'static [u8], is_message: bool) -> String {
        let name = text(item, NAME).unwrap_or_default();
        let full_name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.by_symbol.entry(full_name.clone()).or_insert(Symbol { file, is_message });
        full_name
    }
}

/// The value of a field on the wire. Fixed-width values do not occur in what is read here.
enum Value {
    Varint(u64),
    Bytes(&'static [u8]),
    Skipped,
}

/// Returns the fields of an encoded message. They end where the bytes are no field.
fn fields(message: &'static [u8]) -> impl Iterator<Item = (u32, Value)> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        field
    })
}

fn field(rest: &mut &'static [u8]) -> Option<(u32, Value)> {
    let tag = Tag::decode(rest).ok()?;
    let value = match tag.wire_type() {
        WireType::Varint => Value::Varint(decode_varint(rest).ok()?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Value::Bytes(bytes)
        }
        _ => {
            skip_field(tag, rest).ok()?;
            Value::Skipped
        }
    };
    Some((tag.field_number(), value))
}

/// Returns the values of a field that holds messages.
pub(super) fn messages(message: &'static [u8], number: u32) -> impl Iterator<Item = &'static [u8]> {
    fields(message).filter_map(move |(found, value)| match value {
        Value::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    })
}

fn texts(message: &'static [u8], number: u32) -> impl Iterator<Item = &'static str> {
    messages(message, number).filter_map(|bytes| std::str::from_utf8(bytes).ok())
}

pub(super) fn text(message: &'static [u8], number: u32) -> Option<&'static str> {
    texts(message, number).last()
}

/// Returns the value of a field that holds a number.
pub(super) fn number(message: &'static [u8], number: u32) -> Option<u64> {
    fields(message).find_map(|(found, value)| match value {
        Value::Varint(value) if found == number => Some(value),
        _ => None,
    })
}

/// Field numbers of `google/protobuf/descriptor.proto`. Every descriptor has its name in field 1.
pub(super) const NAME: u32 = 1;
pub(super) const SET_FILE: u32 = 1;
const FILE_NAME: u32 = NAME;
pub(super) const FILE_PACKAGE: u32 = 2;
const FILE_IMPORT: u32 = 3;
pub(super) const FILE_MESSAGE: u32 = 4;
pub(super) const FILE_ENUM: u32 = 5;
pub(super) const FILE_SERVICE: u32 = 6;
const FILE_EXTENSION: u32 = 7;
pub(super) const MESSAGE_FIELD: u32 = 2;
pub(super) const MESSAGE_MESSAGE: u32 = 3;
pub(super) const MESSAGE_ENUM: u32 = 4;
const MESSAGE_EXTENSION: u32 = 6;
pub(super) const MESSAGE_ONEOF: u32 = 8;
const FIELD_EXTENDEE: u32 = 2;
const FIELD_NUMBER: u32 = 3;
pub(super) const ENUM_VALUE: u32 = 2;
pub(super) const SERVICE_METHOD: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::BUILT_IN_FILES;

    fn name(file: &'static [u8]) -> &'static str {
        text(file, FILE_NAME).unwrap()
    }

    fn files(index: &DescriptorIndex, file: Option<usize>) -> Vec<&'static str> {
        index.with_imports(file.unwrap(), &mut HashSet::new()).into_iter().map(name).collect()
    }

    #[test]
    fn every_kind_of_symbol_leads_to_its_file() {
        let index = DescriptorIndex::new([BUILT_IN_FILES]);
        for (symbol, file) in [
            ("grpc.health.v1.Health", "grpc/health/v1/health.proto"),
            ("grpc.health.v1.Health.Watch", "grpc/health/v1/health.proto"),
            ("grpc.health.v1.HealthListResponse.StatusesEntry", "grpc/health/v1/health.proto"),
            ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
            ("grpc.health.v1.HealthCheckResponse.NOT_SERVING", "grpc/health/v1/health.proto"),
            ("grpc.reflection.v1.ServerReflectionRequest.message_request", "grpc/reflection/v1/reflection.proto"),
            ("grpc.reflection.v1alpha.ServerReflectionRequest.host", "grpc/reflection/v1alpha/reflection.proto"),
            ("mprpc.placement", "mprpc/options.proto"),
            ("mprpc.BLOCKING", "mprpc/options.proto"),
            ("google.api.http", "google/api/annotations.proto"),
        ] {
            assert_eq!(index.file_with(symbol), index.file_named(file), "{symbol}");
            assert!(index.file_with(symbol).is_some(), "{symbol}");
        }
        assert_eq!(index.file_with("grpc.health.v1"), None);
        assert_eq!(index.file_with(".grpc.health.v1.Health"), None);
    }

    #[test]
    fn extensions_are_found_by_message_and_number() {
        let index = DescriptorIndex::new([BUILT_IN_FILES]);
        let options = "google.protobuf.MethodOptions";
        assert_eq!(index.extensions_of(options), Some(vec![57_761, 72_295_728]));
        assert_eq!(index.file_with_extension(options, 57_761), index.file_named("mprpc/options.proto"));
        assert_eq!(index.file_with_extension(options, 1), None);
        assert_eq!(index.extensions_of("grpc.health.v1.HealthListRequest"), Some(Vec::new()));
        assert_eq!(index.extensions_of("grpc.health.v1.Health"), None);
    }

    #[test]
    fn imports_follow_their_file_once() {
        let index = DescriptorIndex::new([BUILT_IN_FILES, BUILT_IN_FILES]);
        let annotations = index.file_named("google/api/annotations.proto");
        let imports = ["google/api/annotations.proto", "google/api/http.proto", "google/protobuf/descriptor.proto"];
        assert_eq!(files(&index, annotations), imports);
        let mut sent = HashSet::new();
        index.with_imports(index.file_named("mprpc/options.proto").unwrap(), &mut sent);
        let second: Vec<_> = index.with_imports(annotations.unwrap(), &mut sent).into_iter().map(name).collect();
        assert_eq!(second, imports[..2], "descriptor.proto was sent with the first file");
        let again: Vec<_> = index.with_imports(annotations.unwrap(), &mut sent).into_iter().map(name).collect();
        assert_eq!(again, imports[..1], "the file itself is always sent");
    }

    #[test]
    fn bytes_that_are_no_descriptor_are_left_out() {
        for end in 0..BUILT_IN_FILES.len().min(2000) {
            DescriptorIndex::new([&BUILT_IN_FILES[..end]]);
        }
        let index = DescriptorIndex::new([b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".as_slice(), BUILT_IN_FILES]);
        assert!(index.file_with("grpc.health.v1.Health").is_some());
    }
}
