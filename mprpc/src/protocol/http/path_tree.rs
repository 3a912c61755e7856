//! Finds the templates that a path fits, by a tree of their segments. It knows neither the methods of HTTP nor the services
//! behind the paths.

use std::cmp::Ordering;

use super::template::{Segment, Template, digit};

/// Templates, each with a value. A search allocates nothing and visits each node of the tree at most once.
#[derive(Debug)]
pub(crate) struct PathTree<T> {
    entries: Vec<(Template, T)>,
    /// A tree for each verb, and one for the templates without a verb.
    roots: Vec<(Option<Box<str>>, Node)>,
}

/// The templates that begin with the same segments. The numbers are those of entries.
#[derive(Debug, Default)]
struct Node {
    /// Ordered by the text.
    literals: Vec<(Box<str>, Node)>,
    one: Option<Box<Node>>,
    /// The templates that go on with `**`, which is their end.
    rest: Vec<usize>,
    /// The templates that end here.
    ends: Vec<usize>,
}

impl<T> PathTree<T> {
    /// Creates the tree. Of two equal templates, the first one is visited first.
    pub(crate) fn new(entries: Vec<(Template, T)>) -> PathTree<T> {
        let mut roots: Vec<(Option<Box<str>>, Node)> = Vec::new();
        for (index, (template, _)) in entries.iter().enumerate() {
            let verb = template.verb();
            let place = roots.iter().position(|(known, _)| known.as_deref() == verb).unwrap_or(roots.len());
            if place == roots.len() {
                roots.push((verb.map(Into::into), Node::default()));
            }
            roots[place].1.add(template.segments(), index);
        }
        PathTree { entries, roots }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Visits the templates whose segments the path fits, in the order of their precedence, until `visit` returns a value:
    /// those with a verb come before those without; then, from left to right, a literal comes before `*`, and `*` before
    /// `**`. The path has no query. Whether the text of variables decodes is left to [`Template::matches`].
    pub(crate) fn find<'a, R>(
        &'a self,
        path: &str,
        visit: &mut impl FnMut(&'a Template, &'a T) -> Option<R>,
    ) -> Option<R> {
        // No verb has a `:` or a `/`.
        let with_verb = path.rsplit_once(':').map(|(path, verb)| (path, Some(verb)));
        with_verb.into_iter().chain([(path, None)]).find_map(|(path, verb)| {
            let (_, root) = self.roots.iter().find(|(known, _)| known.as_deref() == verb)?;
            let rest = path.strip_prefix('/')?;
            root.find((!rest.is_empty()).then_some(rest), &mut |index| {
                let (template, value) = &self.entries[index];
                visit(template, value)
            })
        })
    }
}

impl Node {
    fn add(&mut self, segments: &[Segment], index: usize) {
        let Some((first, others)) = segments.split_first() else { return self.ends.push(index) };
        match first {
            Segment::Rest => self.rest.push(index),
            Segment::One => self.one.get_or_insert_default().add(others, index),
            Segment::Literal(text) => {
                let place = self.literals.binary_search_by(|(known, _)| (**known).cmp(text));
                let place = place.unwrap_or_else(|place| {
                    self.literals.insert(place, (text.as_str().into(), Node::default()));
                    place
                });
                self.literals[place].1.add(others, index);
            }
        }
    }

    /// Visits the templates that `path` fits from this node on. `None` is a path without further segments.
    fn find<R>(&self, path: Option<&str>, visit: &mut impl FnMut(usize) -> Option<R>) -> Option<R> {
        let Some(path) = path else {
            return self.ends.iter().chain(&self.rest).find_map(|index| visit(*index));
        };
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        if let Ok(place) = self.literals.binary_search_by(|(known, _)| compare(segment, known).reverse())
            && let Some(found) = self.literals[place].1.find(rest, visit)
        {
            return Some(found);
        }
        if let Some(one) = self.one.as_ref().filter(|_| !segment.is_empty())
            && let Some(found) = one.find(rest, visit)
        {
            return Some(found);
        }
        self.rest.iter().find_map(|index| visit(*index))
    }
}

/// Compares a segment in percent-encoding with a text. A `%` without two digits differs from every text.
fn compare(segment: &str, text: &str) -> Ordering {
    let mut rest = segment.as_bytes();
    let decoded = std::iter::from_fn(|| {
        let (first, after) = rest.split_first()?;
        rest = after;
        if *first != b'%' {
            return Some(u16::from(*first));
        }
        let [high, low, after @ ..] = rest else { return Some(u16::MAX) };
        rest = after;
        Some(digit(*high).zip(digit(*low)).map_or(u16::MAX, |(high, low)| u16::from(high << 4 | low)))
    });
    decoded.cmp(text.bytes().map(u16::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [&str; 20] = [
        "/",
        "/:ping",
        "/v1",
        "/v1/a",
        "/v1/a/b",
        "/v1/a/{x}",
        "/v1/a/*/c",
        "/v1/*",
        "/v1/*/b",
        "/v1/{name=a/*}:go",
        "/v1/{x}:go",
        "/v1/{x=**}:go",
        "/v1/{x=**}:stop",
        "/v1/b%20c/{x}",
        "/v1/{x=**}",
        "/v1/a/**",
        "/v1/a",
        "/**",
        "/v2/a",
        "/v2/*/d",
    ];

    fn tree() -> PathTree<usize> {
        let parse = |(index, text): (usize, &&str)| (Template::parse(text).unwrap(), index);
        PathTree::new(TEMPLATES.iter().enumerate().map(parse).collect())
    }

    /// The numbers of all templates that a path fits, in order.
    fn found(tree: &PathTree<usize>, path: &str) -> Vec<usize> {
        let mut found = Vec::new();
        tree.find(path, &mut |template: &Template, index| -> Option<()> {
            found.extend(template.matches(path).map(|_| *index));
            None
        });
        found
    }

    #[test]
    fn tree_finds_what_every_template_by_itself_matches_in_the_same_order() {
        let tree = tree();
        let mut ordered: Vec<&(Template, usize)> = tree.entries.iter().collect();
        ordered.sort_by(|first, second| first.0.precedence(&second.0));
        fastrand::seed(7);
        let parts = ["a", "b", "c", "d", "v1", "v2", "", "b%20c", "%61", "%zz", "%", "%ff", "x:go", "a:go", ":stop"];
        for _ in 0..20_000 {
            let segments: Vec<&str> = (0..fastrand::usize(0..5)).filter_map(|_| fastrand::choice(parts)).collect();
            let path = format!("/{}", segments.join("/"));
            let expected: Vec<usize> = ordered
                .iter()
                .filter(|(template, _)| template.matches(&path).is_some())
                .map(|(_, index)| *index)
                .collect();
            assert_eq!(found(&tree, &path), expected, "{path}");
        }
        for path in ["", "v1", "*", ":ping", ":"] {
            assert!(found(&tree, path).is_empty(), "{path}");
        }
    }

    #[test]
    fn search_ends_with_the_first_value() {
        let first = |path: &str| tree().find(path, &mut |_: &Template, index| Some(*index));
        assert_eq!(first("/v1/a"), Some(3), "of equal templates, the first");
        assert_eq!(first("/v1/%61/b"), Some(4));
        assert_eq!(first("/v1/a/x:go"), Some(9));
        assert_eq!(first("/v1/x:go"), Some(10));
        assert_eq!(first("/v3"), Some(17));
        assert!(PathTree::<()>::new(Vec::new()).is_empty());
    }
}
