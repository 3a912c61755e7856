//! The static table (RFC 7541, appendix A): fields that both sides know from the start.

use super::known_name::KnownName;

/// A field of the static table that is sent as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaticField(pub(super) u8);

impl StaticField {
    pub(crate) const METHOD_POST: StaticField = StaticField(3);
    pub(crate) const SCHEME_HTTP: StaticField = StaticField(6);
    pub(crate) const SCHEME_HTTPS: StaticField = StaticField(7);
    pub(crate) const STATUS_200: StaticField = StaticField(8);
}

/// A row of the static table. The value is empty where the table has a name only.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static [u8],
    pub(super) value: &'static [u8],
    pub(super) known: KnownName,
}

/// A row that has the name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The index in a block.
    pub(super) index: usize,
    /// The row has the value too.
    pub(super) has_value: bool,
}

/// Finds the row with this name and value. If there is none, finds the first row with this name.
pub(super) fn find(name: &[u8], value: &[u8]) -> Option<Found> {
    let mut slot = first_slot(name)?;
    let first = loop {
        let row = usize::from(SLOTS[slot]).checked_sub(1)?;
        if ROWS[row].name == name {
            break row;
        }
        slot = (slot + 1) % SLOTS.len();
    };
    let mut rows = ROWS[first..].iter().enumerate().take_while(|(after, row)| *after == 0 || row.name == name);
    Some(match rows.find(|(_, row)| row.value == value) {
        Some((after, _)) => Found { index: first + after + 1, has_value: true },
        None => Found { index: first + 1, has_value: false },
    })
}

/// The slot where the search for `name` begins. `None` if the name is empty.
const fn first_slot(name: &[u8]) -> Option<usize> {
    let [.., last] = name else { return None };
    // The multipliers were tried out: three of the 52 names need a second step.
    Some((name.len() * 8 + *last as usize * 58 + name[name.len() / 2] as usize) % 128)
}

/// A hash table with open addressing: the index of the first row of each name, 0 in free slots.
static SLOTS: [u8; 128] = {
    let mut slots = [0; 128];
    let mut row = 0;
    while row < ROWS.len() {
        let name = ROWS[row].name;
        let Some(mut slot) = first_slot(name) else { panic!("a name is empty") };
        while slots[slot] != 0 && !is_same(ROWS[slots[slot] as usize - 1].name, name) {
            slot = (slot + 1) % slots.len();
        }
        if slots[slot] == 0 {
            slots[slot] = row as u8 + 1;
        }
        row += 1;
    }
    slots
};

/// `==`, which is not const.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn field(name: &'static str, value: &'static str) -> Row {
    Row { name: name.as_bytes(), value: value.as_bytes(), known: KnownName::of(name.as_bytes()) }
}

/// The rows. The index of a row in a block is one more than its place here.
pub(super) static ROWS: [Row; 61] = [
    field(":authority", ""),
    field(":method", "GET"),
    field(":method", "POST"),
    field(":path", "/"),
    field(":path", "/index.html"),
    field(":scheme", "http"),
    field(":scheme", "https"),
    field(":status", "200"),
    field(":status", "204"),
    field(":status", "206"),
    field(":status", "304"),
    field(":status", "400"),
    field(":status", "404"),
    field(":status", "500"),
    field("accept-charset", ""),
    field("accept-encoding", "gzip, deflate"),
    field("accept-language", ""),
    field("accept-ranges", ""),
    field("accept", ""),
    field("access-control-allow-origin", ""),
    field("age", ""),
    field("allow", ""),
    field("authorization", ""),
    field("cache-control", ""),
    field("content-disposition", ""),
    field("content-encoding", ""),
    field("content-language", ""),
    field("content-length", ""),
    field("content-location", ""),
    field("content-range", ""),
    field("content-type", ""),
    field("cookie", ""),
    field("date", ""),
    field("etag", ""),
    field("expect", ""),
    field("expires", ""),
    field("from", ""),
    field("host", ""),
    field("if-match", ""),
    field("if-modified-since", ""),
    field("if-none-match", ""),
    field("if-range", ""),
    field("if-unmodified-since", ""),
    field("last-modified", ""),
    field("link", ""),
    field("location", ""),
    field("max-forwards", ""),
    field("proxy-authenticate", ""),
    field("proxy-authorization", ""),
    field("range", ""),
    field("referer", ""),
    field("refresh", ""),
    field("retry-after", ""),
    field("server", ""),
    field("set-cookie", ""),
    field("strict-transport-security", ""),
    field("transfer-encoding", ""),
    field("user-agent", ""),
    field("vary", ""),
    field("via", ""),
    field("www-authenticate", ""),
];
