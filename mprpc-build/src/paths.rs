//! Turns the absolute paths in buffa-codegen's output (`::buffa`, `::serde`) into the re-exports of mprpc, so that a user
//! depends on mprpc alone. It works on tokens, not on text: the strings and names of users stay unchanged.

use buffa_codegen::idents::is_rust_keyword;
use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// The crates that generated code names. `mprpc::codegen` re-exports them.
const ROOTS: [&str; 4] = ["buffa", "buffa_types", "serde", "serde_json"];

/// The path of the re-exports for generated code: `::mprpc::codegen`.
pub(crate) struct Door {
    tokens: TokenStream,
    text: String,
}

impl Door {
    pub(crate) fn new(crate_path: &str) -> Result<Door, syn::Error> {
        let path: syn::Path = syn::parse_str(crate_path)?;
        Ok(Door { tokens: quote!(#path::codegen), text: format!("{}::codegen", crate_path.trim()) })
    }

    /// Rewrites every path in `stream` to the re-exports.
    pub(crate) fn rewrite(&self, stream: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        let mut rest = tokens.as_slice();
        loop {
            rest = match rest {
                [] => break,
                [TokenTree::Punct(hash), TokenTree::Group(group), rest @ ..]
                    if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
                {
                    out.push(hash.clone().into());
                    self.attribute(group, &mut out);
                    rest
                }
                [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(root), rest @ ..]
                    if a.as_char() == ':' && b.as_char() == ':' && is_root(root) && begins_path(&out) =>
                {
                    out.extend(self.tokens.clone());
                    out.extend([a.clone().into(), b.clone().into(), root.clone().into()] as [TokenTree; 3]);
                    rest
                }
                [TokenTree::Group(group), rest @ ..] => {
                    out.push(Group::new(group.delimiter(), self.rewrite(group.stream())).into());
                    rest
                }
                [token, rest @ ..] => {
                    out.push(token.clone());
                    rest
                }
            };
        }
        out.into_iter().collect()
    }

    fn attribute(&self, group: &Group, out: &mut Vec<TokenTree>) {
        let name = group.stream().into_iter().next().map(|token| token.to_string()).unwrap_or_default();
        let stream = match name.as_str() {
            "doc" => self.strings(group.stream(), &|text| self.link(text)),
            "serde" => self.strings(group.stream(), &|text| self.path_in_string(text)),
            _ => self.rewrite(group.stream()),
        };
        out.push(Group::new(Delimiter::Bracket, stream).into());
        // The derive macros of serde generate paths to `::serde` unless an attribute names another path.
        if name == "derive" && group.to_string().contains("serde") {
            let place = format!("{}::serde", self.text);
            out.extend(quote!(#[serde(crate = #place)]));
        }
    }

    fn strings(&self, stream: TokenStream, change: &dyn Fn(&str) -> Option<String>) -> TokenStream {
        let change_token = |token: TokenTree| match token {
            TokenTree::Group(group) => Group::new(group.delimiter(), self.strings(group.stream(), change)).into(),
            TokenTree::Literal(literal) => change_string(literal, change),
            other => other,
        };
        stream.into_iter().map(change_token).collect()
    }

    /// Rewrites a path in a string, such as `"::buffa::json_helpers::int32"`, the form that serde's `with` takes.
    fn path_in_string(&self, text: &str) -> Option<String> {
        let root = text.strip_prefix("::")?.split("::").next()?;
        ROOTS.contains(&root).then(|| format!("{}{text}", self.text))
    }

    /// Rewrites a link in a doc comment, such as [`::buffa::OwnedView`], which buffa-codegen generates.
    fn link(&self, text: &str) -> Option<String> {
        let linked = ROOTS.iter().fold(text.to_owned(), |text, root| {
            text.replace(&format!("`::{root}::"), &format!("`{}::{root}::", self.text))
        });
        (linked != text).then_some(linked)
    }
}

impl ToTokens for Door {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.tokens.clone());
    }
}

fn is_root(ident: &Ident) -> bool {
    ROOTS.iter().any(|root| ident == root)
}

/// Whether a `::` after these tokens begins a path. After a name it continues a path: `super::buffa`.
fn begins_path(before: &[TokenTree]) -> bool {
    match before {
        // A lifetime is no name of a path: `&'a ::buffa::MapView`.
        [.., TokenTree::Punct(quote), TokenTree::Ident(_)] if quote.as_char() == '\'' => true,
        [.., TokenTree::Ident(ident)] => {
            let name = ident.to_string();
            is_rust_keyword(&name) && !["super", "self", "Self", "crate"].contains(&name.as_str())
        }
        _ => true,
    }
}

/// Changes a literal if it is a string that `change` changes.
pub(crate) fn change_string(literal: Literal, change: &dyn Fn(&str) -> Option<String>) -> TokenTree {
    let changed = match syn::parse2::<syn::LitStr>(literal.to_token_stream()) {
        Ok(string) => change(&string.value()),
        Err(_) => None,
    };
    changed.map_or(literal, |text| Literal::string(&text)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(code: &str) -> String {
        Door::new("::mprpc").unwrap().rewrite(code.parse().unwrap()).to_string()
    }

    fn tokens(code: &str) -> String {
        code.parse::<TokenStream>().unwrap().to_string()
    }

    #[test]
    fn absolute_paths_become_reexports_of_mprpc() {
        assert_eq!(
            rewritten("impl<'a> ::buffa::Message for Foo { fn f(x: &'a ::buffa_types::X) -> <A as ::serde::B>::C {} }"),
            tokens(
                "impl<'a> ::mprpc::codegen::buffa::Message for Foo { fn f(x: &'a ::mprpc::codegen::buffa_types::X) \
                 -> <A as ::mprpc::codegen::serde::B>::C {} }"
            )
        );
    }

    #[test]
    fn modules_and_strings_of_users_stay_unchanged() {
        let code = r##"fn f() -> super::buffa::X { r#type::serde::y(); g("::buffa::z", "`::buffa::z`") }"##;
        assert_eq!(rewritten(code), tokens(code));
    }

    #[test]
    fn serde_attributes_name_the_reexport() {
        assert_eq!(
            rewritten(
                r#"#[derive(::serde::Serialize)] struct A { #[serde(rename = "::x", with = "::buffa::y")] b: C }"#
            ),
            tokens(
                r#"#[derive(::mprpc::codegen::serde::Serialize)] #[serde(crate = "::mprpc::codegen::serde")]
                struct A { #[serde(rename = "::x", with = "::mprpc::codegen::buffa::y")] b: C }"#
            )
        );
    }
}
