//! Templates of HTTP paths, `/v1/{name=shelves/*/books/*}:move`: parses them and matches paths. It knows neither the methods
//! of HTTP nor the services behind the paths.
//!
//! Source: <https://github.com/googleapis/googleapis/blob/master/google/api/http.proto>. mprpc-build checks the same grammar
//! when it compiles a `.proto` file.

use std::borrow::Cow;
#[cfg(test)]
use std::cmp::Ordering;
use std::fmt;

/// A parsed template.
///
/// ```text
/// template = "/" [ segments ] [ ":" literal ]
/// segments = segment { "/" segment }
/// segment  = "*" | "**" | literal | "{" field { "." field } [ "=" segments ] "}"
/// ```
///
/// `*` matches one segment that is not empty, `**` any number of segments; a variable without a pattern is `*`. `**` is
/// only the last segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
}

/// One part of a template between slashes. The order is the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// This text, decoded.
    Literal(String),
    One,
    Rest,
}

/// A field of the request, and the segments whose text it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    field: String,
    from: usize,
    to: usize,
}

/// Why a text is no template, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateError {
    at: usize,
    what: &'static str,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// The fields that a path sets, as paths of fields (`book.name`) and decoded values, in the order of the template.
pub(crate) type Captures<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Template {
    /// Parses a template.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        let template = Template { segments: Vec::new(), variables: Vec::new(), verb: None };
        let mut parser = Parser { text, at: 0, template };
        parser.parse().map_err(|what| TemplateError { at: parser.at, what })?;
        Ok(parser.template)
    }

    /// The fields that a path sets, as paths of fields, in the order of the template.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.field.as_str())
    }

    /// The variables in the order of the template: the field, and the first and the last of its segments.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, std::ops::RangeInclusive<usize>)> {
        self.variables.iter().map(|variable| (variable.field.as_str(), variable.from..=variable.to))
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// Matches a path without its query, as it stands in the request. Returns `None` if the path does not fit, or if its
    /// text is not UTF-8 in percent-encoding.
    ///
    /// The value of a variable of one segment is decoded completely. In the value of a variable of several segments, `%2F`
    /// stays as it is, so that it differs from the slashes between segments.
    pub(crate) fn matches<'a>(&'a self, path: &'a str) -> Option<Captures<'a>> {
        let path = match &self.verb {
            None => path,
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
        };
        let path = path.strip_prefix('/')?;
        // The places of the segments; an empty path has none.
        let mut segments = Vec::with_capacity(self.segments.len());
        let mut start = 0;
        let mut literals_fit = true;
        let mut count = 0;
        for part in path.split('/').filter(|_| !path.is_empty()) {
            let end = start + part.len();
            match self.segments.get(count) {
                None => return None,
                Some(Segment::Rest) => {
                    segments.push((start, path.len()));
                    count += 1;
                    break;
                }
                Some(Segment::One) => literals_fit &= !part.is_empty(),
                Some(Segment::Literal(literal)) => literals_fit &= decode(part, false)? == *literal,
            }
            segments.push((start, end));
            start = end + 1;
            count += 1;
        }
        if self.segments.get(count) == Some(&Segment::Rest) {
            segments.push((path.len(), path.len()));
            count += 1;
        }
        if !literals_fit || count != self.segments.len() {
            return None;
        }
        let value = |variable: &'a Variable| {
            let text = &path[segments[variable.from].0..segments[variable.to].1];
            let is_several = variable.from != variable.to || self.segments[variable.to] == Segment::Rest;
            Some((variable.field.as_str(), decode(text, is_several)?))
        };
        self.variables.iter().map(value).collect()
    }

    /// Which of two templates comes first if a path fits both: `Less` is first. A template with a verb comes before one
    /// without. Then, from left to right, a literal comes before `*`, and `*` before `**`. `PathTree` has the same order.
    #[cfg(test)]
    pub(super) fn precedence(&self, other: &Template) -> Ordering {
        let has_no_verb = |template: &Template| template.verb.is_none();
        let by_verb = has_no_verb(self).cmp(&has_no_verb(other));
        by_verb.then_with(|| self.segments.cmp(&other.segments)).then_with(|| self.verb.cmp(&other.verb))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    template: Template,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<(), &'static str> {
        if !self.take("/") {
            return Err("`/` is missing");
        }
        if !self.rest().is_empty() && !self.rest().starts_with(':') {
            self.segments(true)?;
        }
        if self.take(":") {
            self.template.verb = Some(self.literal()?.to_owned());
        }
        if self.rest().is_empty() { Ok(()) } else { Err("an unexpected character") }
    }

    fn segments(&mut self, takes_variables: bool) -> Result<(), &'static str> {
        loop {
            if self.template.segments.last() == Some(&Segment::Rest) {
                return Err("a segment after `**`");
            }
            if self.take("{") {
                if !takes_variables {
                    return Err("a variable within a variable");
                }
                self.variable()?;
            } else {
                let segment = self.segment()?;
                self.template.segments.push(segment);
            }
            if !self.take("/") {
                return Ok(());
            }
        }
    }

    fn segment(&mut self) -> Result<Segment, &'static str> {
        if self.take("**") {
            return Ok(Segment::Rest);
        }
        if self.take("*") {
            return Ok(Segment::One);
        }
        let literal = decode(self.literal()?, false).ok_or("text that is not UTF-8 in percent-encoding")?;
        Ok(Segment::Literal(literal.into_owned()))
    }

    fn variable(&mut self) -> Result<(), &'static str> {
        let field = self.while_in("._").to_owned();
        let is_name = |name: &str| !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if !field.split('.').all(is_name) {
            return Err("the name of a field is missing");
        }
        if self.template.variables.iter().any(|variable| variable.field == field) {
            return Err("a field a second time");
        }
        let from = self.template.segments.len();
        if self.take("=") {
            self.segments(false)?;
        } else {
            self.template.segments.push(Segment::One);
        }
        let to = self.template.segments.len() - 1;
        self.template.variables.push(Variable { field, from, to });
        if self.take("}") { Ok(()) } else { Err("`}` is missing") }
    }

    fn literal(&mut self) -> Result<&str, &'static str> {
        match self.while_in("-_.~%!$&'()+,;@") {
            "" => Err("a segment is missing"),
            literal => Ok(literal),
        }
    }

    /// Takes letters, digits and `others`.
    fn while_in(&mut self, others: &str) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !others.contains(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        self.at += if is_next { token.len() } else { 0 };
        is_next
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

/// Decodes percent-encoding (RFC 3986, 2.1). `None` if a `%` has no two hexadecimal digits, or if the text is not UTF-8.
fn decode(text: &str, keeps_slashes: bool) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let value = digit(*high)? << 4 | digit(*low)?;
        rest = after;
        match value {
            b'/' if keeps_slashes => decoded.extend([b'%', *high, *low]),
            value => decoded.push(value),
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The value of a hexadecimal digit.
pub(super) fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(template: &str, path: &str) -> Option<Vec<(String, String)>> {
        let template = Template::parse(template).unwrap();
        let owned = |(field, value): (&str, Cow<'_, str>)| (field.to_owned(), value.into_owned());
        template.matches(path).map(|captures| captures.into_iter().map(owned).collect())
    }

    #[test]
    fn paths_that_fit_give_the_values_of_the_variables() {
        for (template, path, values) in [
            ("/", "/", &[][..]),
            ("/:ping", "/:ping", &[]),
            ("/v1/users", "/v1/users", &[]),
            ("/v1/users/{id}", "/v1/users/7", &[("id", "7")]),
            ("/v1/users/{id}", "/v1/users/a:b", &[("id", "a:b")]),
            ("/v1/{id}:move", "/v1/7:move", &[("id", "7")]),
            ("/v1/{id}:move", "/v1/a:b:move", &[("id", "a:b")]),
            ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2", &[("name", "shelves/1/books/2")]),
            ("/v1/{a.b}/x/{c=d}/{e=**}", "/v1/1/x/d/2/3", &[("a.b", "1"), ("c", "d"), ("e", "2/3")]),
            ("/v1/{rest=a/**}", "/v1/a/b/c", &[("rest", "a/b/c")]),
            ("/v1/{rest=**}:get", "/v1/a/b:get", &[("rest", "a/b")]),
            ("/v1/**", "/v1", &[]),
            ("/v1/{rest=**}", "/v1", &[("rest", "")]),
            ("/v1/{rest=**}", "/v1/", &[("rest", "")]),
            ("/{rest=**}", "/", &[("rest", "")]),
            ("/**", "//", &[]),
            ("/v1/*/b", "/v1/a/b", &[]),
        ] {
            let values = values.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
            assert_eq!(captures(template, path), Some(values), "{template} {path}");
        }
    }

    #[test]
    fn paths_that_do_not_fit_give_none() {
        for (template, path) in [
            ("/", ""),
            ("/", "/a"),
            ("/v1/users", "/v1/users/"),
            ("/v1/users", "/v1"),
            ("/v1/users", "/V1/users"),
            ("/v1/users", "v1/users"),
            ("/v1/users/{id}", "/v1/users/"),
            ("/v1/users/{id}", "/v1/users/a/b"),
            ("/v1/{id}:move", "/v1/7"),
            ("/v1/{id}:move", "/v1/7:remove"),
            ("/v1/{id}:move", "/v1/:move"),
            ("/v1/{name=shelves/*}", "/v1/shelve/1"),
            ("/v1/{name=shelves/*}", "/v1/shelves/1/2"),
            ("/v1/a/**", "/v1/b/c"),
            ("/v1/*/b", "/v1//b"),
        ] {
            assert_eq!(captures(template, path), None, "{template} {path}");
        }
    }

    #[test]
    fn percent_encoding_is_decoded_and_slashes_of_several_segments_are_kept() {
        let one = |value: &str| Some(vec![("a".to_owned(), value.to_owned())]);
        assert_eq!(captures("/{a}", "/x%20%C3%A4%2Fy%3a"), one("x ä/y:"));
        assert_eq!(captures("/{a=*/*}", "/x%20%C3%A4%2fy/%2F"), one("x ä%2fy/%2F"));
        assert_eq!(captures("/{a=**}", "/%2F"), one("%2F"));
        assert_eq!(captures("/b%20c/{a}", "/b%20c/+"), one("+"));
        assert_eq!(captures("/b%20c/{a}", "/%62%20c/1"), one("1"));
        for path in ["/%", "/%2", "/%zz", "/%+1", "/%ff", "/%C3"] {
            assert_eq!(captures("/{a}", path), None, "{path}");
        }
    }

    #[test]
    fn faulty_templates_are_refused_with_the_place() {
        for (template, error) in [
            ("", "`/` is missing at byte 0"),
            ("v1", "`/` is missing at byte 0"),
            ("//", "a segment is missing at byte 1"),
            ("/v1/", "a segment is missing at byte 4"),
            ("/v1/{id", "`}` is missing at byte 7"),
            ("/v1/{}", "the name of a field is missing at byte 5"),
            ("/v1/{1}", "the name of a field is missing at byte 6"),
            ("/v1/{a={b}}", "a variable within a variable at byte 8"),
            ("/v1/{a}{b}", "an unexpected character at byte 7"),
            ("/v1/{a}/{a}", "a field a second time at byte 10"),
            ("/v1/**/b", "a segment after `**` at byte 7"),
            ("/v1/{a=**}/b", "a segment after `**` at byte 11"),
            ("/v1/a:", "a segment is missing at byte 6"),
            ("/v1/a:b:c", "an unexpected character at byte 7"),
            ("/v1/%zz", "text that is not UTF-8 in percent-encoding at byte 7"),
            ("/v1/ä", "a segment is missing at byte 4"),
        ] {
            assert_eq!(Template::parse(template).unwrap_err().to_string(), error, "{template}");
        }
    }

    #[test]
    fn more_exact_templates_come_first() {
        let order = [
            "/v1/a/{x}:go",
            "/v1/a/{x=**}:go",
            "/v1/a/b",
            "/v1/a/{x}",
            "/v1/a/**",
            "/v1/*",
            "/v1/*/b",
            "/v1/**",
            "/**",
        ];
        let templates = order.map(|text| Template::parse(text).unwrap());
        for (index, first) in templates.iter().enumerate() {
            for second in &templates[index + 1..] {
                assert_eq!(first.precedence(second), Ordering::Less, "{first:?} {second:?}");
                assert_eq!(second.precedence(first), Ordering::Greater);
            }
            assert_eq!(first.precedence(first), Ordering::Equal);
        }
    }
}
