//! PROXY headers, and the paths of HTTP rules: what a proxy and a caller write before a call is known.

use super::parts;
use crate::protocol::http::path_tree::PathTree;
use crate::protocol::http::query::query_pairs;
use crate::protocol::http::template::Template;
use crate::protocol::proxy::{ProxyHeader, decode};

/// Decodes a PROXY header. What it says must not change when more bytes arrive, and its length lies within the bytes.
pub fn proxy(data: &[u8]) {
    const BYTES_MAX: usize = 300;
    let mut decided = None;
    for length in 0..=data.len().min(2 * BYTES_MAX) {
        let decoded = decode(&data[..length], BYTES_MAX).map_err(drop);
        if let Ok(ProxyHeader::Complete(_, header_bytes)) = &decoded {
            assert!(*header_bytes <= length && *header_bytes <= BYTES_MAX, "{data:?}");
        }
        match &decided {
            Some(first) => assert_eq!(*first, decoded, "{data:?}"),
            None if decoded == Ok(ProxyHeader::Incomplete) => {}
            None => decided = Some(decoded),
        }
    }
}

/// Finds paths among templates: the tree finds a template if and only if one of them matches. The first two parts are a path
/// and a query, the others templates.
pub fn paths(data: &[u8]) {
    let mut texts = parts(data).map(|part| std::str::from_utf8(part).unwrap_or_default());
    let (path, query) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    for (name, value) in query_pairs(query) {
        assert!(name.len() + value.len() <= query.len());
    }
    let templates: Vec<(Template, usize)> =
        texts.filter_map(|text| Template::parse(text).ok()).enumerate().map(|(index, known)| (known, index)).collect();
    let matching: Vec<bool> = templates.iter().map(|(template, _)| template.matches(path).is_some()).collect();
    for (template, _) in &templates {
        if let Some(captures) = template.matches(path) {
            assert_eq!(captures.len(), template.fields().count());
        }
    }
    let tree = PathTree::new(templates);
    let found = tree.find(path, &mut |template, index| template.matches(path).map(|_| *index));
    assert_eq!(found.is_some(), matching.contains(&true), "{path:?}");
    assert!(found.is_none_or(|index| matching[index]));
}
