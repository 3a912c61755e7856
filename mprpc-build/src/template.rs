//! Checks the templates of HTTP paths, `/v1/{name=shelves/*/books/*}:move`, and finds their variables. It matches no paths;
//! mprpc does that, in `protocol/http/template.rs`, with the same grammar.

/// Returns the field paths of a template's variables, in order. The error says what is wrong and at which character.
///
/// ```text
/// template = "/" [ segments ] [ ":" literal ]
/// segments = segment { "/" segment }
/// segment  = "*" | "**" | literal | "{" field { "." field } [ "=" segments ] "}"
/// ```
///
/// `**` may only be the last segment, and variables do not contain variables.
pub(crate) fn variables(template: &str) -> Result<Vec<String>, String> {
    let mut reader = Reader { text: template, at: 0, variables: Vec::new(), has_rest: false };
    reader.template().map_err(|what| {
        format!(
            "the path `{template}` is no template: {what} at character {}",
            template[..reader.at].chars().count() + 1
        )
    })?;
    Ok(reader.variables)
}

struct Reader<'a> {
    text: &'a str,
    /// How many bytes are read.
    at: usize,
    variables: Vec<String>,
    /// Whether `**` was read, after which no segment may follow.
    has_rest: bool,
}

impl Reader<'_> {
    fn template(&mut self) -> Result<(), String> {
        if !self.take("/") {
            return Err("`/` is missing".into());
        }
        if !matches!(self.rest(), "") && !self.rest().starts_with(':') {
            self.segments(true)?;
        }
        if self.take(":") {
            self.literal()?;
        }
        match self.rest().chars().next() {
            None => Ok(()),
            Some(other) => Err(format!("unexpected `{other}`")),
        }
    }

    fn segments(&mut self, may_vary: bool) -> Result<(), String> {
        loop {
            if self.has_rest {
                return Err("a segment after `**`".into());
            }
            if self.take("**") {
                self.has_rest = true;
            } else if self.take("{") {
                if !may_vary {
                    return Err("a variable within a variable".into());
                }
                self.variable()?;
            } else if !self.take("*") {
                self.literal()?;
            }
            if !self.take("/") {
                return Ok(());
            }
        }
    }

    fn variable(&mut self) -> Result<(), String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
        let path = self.rest()[..length].to_owned();
        let is_field = |name: &str| !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if !path.split('.').all(is_field) {
            return Err("the name of a field is missing".into());
        }
        if self.variables.contains(&path) {
            return Err(format!("`{path}` a second time"));
        }
        self.at += length;
        self.variables.push(path);
        if self.take("=") {
            self.segments(false)?;
        }
        if self.take("}") { Ok(()) } else { Err("`}` is missing".into()) }
    }

    fn literal(&mut self) -> Result<(), String> {
        let is_literal = |c: char| c.is_ascii_alphanumeric() || "-_.~%!$&'()+,;@".contains(c);
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is_literal(c)).unwrap_or(rest.len());
        self.at += length;
        match &rest[..length] {
            "" => Err("a segment is missing".into()),
            literal if is_text(literal) => Ok(()),
            _ => Err("text that is not UTF-8 in percent-encoding".into()),
        }
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

/// Whether a literal, decoded from percent-encoding, is UTF-8.
fn is_text(literal: &str) -> bool {
    let mut parts = literal.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else { return false };
        decoded.push(byte);
        decoded.extend(&part.as_bytes()[2..]);
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_in_order() {
        for (template, fields) in [
            ("/", &[][..]),
            ("/:ping", &[]),
            ("/v1/users", &[]),
            ("/v1/users/{id}", &["id"]),
            ("/v1/{name=shelves/*/books/*}:move", &["name"]),
            ("/v1/{a.b_c.d1}/*/{rest=**}", &["a.b_c.d1", "rest"]),
            ("/v1/%20/a-b.c~d/**:verb", &[]),
        ] {
            assert_eq!(variables(template).unwrap(), fields, "{template}");
        }
    }

    #[test]
    fn errors_name_the_fault_and_its_place() {
        for (template, what) in [
            ("", "`/` is missing at character 1"),
            ("v1", "`/` is missing at character 1"),
            ("//", "a segment is missing at character 2"),
            ("/v1/", "a segment is missing at character 5"),
            ("/v1/{id", "`}` is missing at character 8"),
            ("/v1/{}", "the name of a field is missing at character 6"),
            ("/v1/{a..b}", "the name of a field is missing at character 6"),
            ("/v1/{1a}", "the name of a field is missing at character 6"),
            ("/v1/{a=}", "a segment is missing at character 8"),
            ("/v1/{a={b}}", "a variable within a variable at character 9"),
            ("/v1/{a}{b}", "unexpected `{` at character 8"),
            ("/v1/{a}/{a}", "`a` a second time at character 10"),
            ("/v1/**/b", "a segment after `**` at character 8"),
            ("/v1/{a=**}/b", "a segment after `**` at character 12"),
            ("/v1/***", "unexpected `*` at character 7"),
            ("/v1/a:", "a segment is missing at character 7"),
            ("/v1/a:b:c", "unexpected `:` at character 8"),
            ("/v1/a%2", "text that is not UTF-8 in percent-encoding at character 8"),
            ("/v1/%zz", "text that is not UTF-8 in percent-encoding at character 8"),
            ("/v1/%ff", "text that is not UTF-8 in percent-encoding at character 8"),
            ("/v1/a?b", "unexpected `?` at character 6"),
            ("/ä", "a segment is missing at character 2"),
        ] {
            let error = variables(template).unwrap_err();
            assert_eq!(error, format!("the path `{template}` is no template: {what}"));
        }
    }
}
