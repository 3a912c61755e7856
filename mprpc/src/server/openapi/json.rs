//! A value of JSON that is made member by member, in the order in which it is written.

use std::borrow::Cow;

use crate::codec::json_tree::put_string;

/// A value of JSON.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Bool(bool),
    Text(Cow<'static, str>),
    Array(Vec<Json>),
    Object(Vec<(Cow<'static, str>, Json)>),
}

impl Json {
    /// An object without members.
    pub(super) fn object() -> Json {
        Json::Object(Vec::new())
    }

    /// Appends a member to an object.
    pub(super) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Json>) -> Json {
        if let Json::Object(members) = &mut self {
            members.push((name.into(), value.into()));
        }
        self
    }

    /// Appends a member to an object if there is a value.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl Into<Json>>) -> Json {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Appends a list of values to an object, unless it is empty.
    pub(super) fn with_list(self, name: &'static str, values: Vec<Json>) -> Json {
        self.with_some(name, (!values.is_empty()).then_some(values))
    }

    /// Appends the value as text.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Text(text) => put_string(out, text),
            Json::Array(values) => {
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { b"," });
                    value.write(out);
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    out.extend_from_slice(if index == 0 { b"" } else { b"," });
                    put_string(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<&'static str> for Json {
    fn from(text: &'static str) -> Json {
        Json::Text(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text.into())
    }
}

impl From<Cow<'static, str>> for Json {
    fn from(text: Cow<'static, str>) -> Json {
        Json::Text(text)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(values: Vec<T>) -> Json {
        Json::Array(values.into_iter().map(Into::into).collect())
    }
}
