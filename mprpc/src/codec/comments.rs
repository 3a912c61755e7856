//! The comments of a `.proto` file, by the place of the item, from the descriptor of the file.

use std::collections::HashMap;

use buffa::encoding::decode_varint;

use super::descriptors::{messages, text};

/// The comments of one file.
#[derive(Debug, Default)]
pub(super) struct Comments(HashMap<ItemPath, &'static str>);

/// The place of an item in its file: field numbers and indices in turn, as `google.protobuf.SourceCodeInfo` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ItemPath(Vec<u64>);

impl ItemPath {
    /// The place of the file itself.
    pub(super) fn new() -> ItemPath {
        ItemPath::default()
    }

    /// The place of an item in this one: the item of this index in a field.
    pub(super) fn item(&self, field: u32, index: usize) -> ItemPath {
        ItemPath(self.0.iter().copied().chain([u64::from(field), index as u64]).collect())
    }
}

impl Comments {
    /// Reads the comments of an encoded `google.protobuf.FileDescriptorProto`. The comment before an item has precedence over
    /// the one behind it.
    pub(super) fn of(file: &'static [u8]) -> Comments {
        let locations = messages(file, FILE_SOURCE_INFO).flat_map(|info| messages(info, LOCATION));
        let comment = |location: &'static [u8]| {
            let found = [LEADING, TRAILING].into_iter().filter_map(|number| text(location, number));
            let comment = found.map(str::trim).find(|comment| !comment.is_empty())?;
            let mut packed = messages(location, PATH).last()?;
            let path = std::iter::from_fn(|| decode_varint(&mut packed).ok()).collect();
            Some((ItemPath(path), comment))
        };
        Comments(locations.filter_map(comment).collect())
    }

    pub(super) fn at(&self, path: &ItemPath) -> Option<&'static str> {
        self.0.get(path).copied()
    }
}

/// Field numbers of `FileDescriptorProto` and `SourceCodeInfo`.
const FILE_SOURCE_INFO: u32 = 9;
const LOCATION: u32 = 1;
const PATH: u32 = 1;
const LEADING: u32 = 3;
const TRAILING: u32 = 4;
