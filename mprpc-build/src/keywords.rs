//! Renames messages, enums and oneofs that are named by a keyword of Rust: `message match` becomes `struct Match_`. The names
//! of other things are the business of buffa-codegen. Names on the wire, in JSON and in descriptors stay as they are.

use std::collections::BTreeMap;

use buffa_codegen::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};
use buffa_codegen::idents::is_rust_keyword;
use heck::ToUpperCamelCase;
use proc_macro2::{Group, Literal, TokenStream, TokenTree};

use crate::messages::{ENUM, MESSAGE, NAME, NESTED, NESTED_ENUM};
use crate::paths::change_string;

/// The types that have another name in Rust.
#[derive(Debug, Default)]
pub(crate) struct Renames {
    /// The full name for Rust of every renamed type and of the types within it, by its full name in the `.proto` file.
    /// Without the first dot.
    new: BTreeMap<String, String>,
    /// The other way round.
    old: BTreeMap<String, String>,
    /// The names without packages, by the names for Rust.
    old_in_package: BTreeMap<String, String>,
}

/// A renamed type whose new name is taken: the file, the place of its name, and the reason.
pub(crate) struct Taken {
    pub(crate) file: usize,
    pub(crate) path: Vec<i32>,
    pub(crate) message: String,
}

/// Renames types in `files`, where they are defined and where they are used.
pub(crate) fn rename(files: &mut [FileDescriptorProto]) -> Result<Renames, Taken> {
    let mut renames = Renames::default();
    let mut types = Types::default();
    for (index, file) in files.iter_mut().enumerate() {
        let package = file.package.clone().unwrap_or_default();
        types.file = index;
        types.package.clone_from(&package);
        let scope = Scope { old: package.clone(), new: package };
        types.add_enums(&scope, &[ENUM], &mut file.enum_type);
        types.add_messages(&scope, &[MESSAGE], &mut file.message_type);
    }
    for found in &types.found {
        if found.old == found.new {
            continue;
        }
        if found.is_named_by_keyword && types.found.iter().any(|other| other.new == found.new && other.old != found.old)
        {
            let (old, new) = (last(&found.old), last(&found.new));
            let message = format!("`{old}` is a keyword of Rust, so the type becomes `{new}`, and that name is taken");
            return Err(Taken { file: found.file, path: found.path.clone(), message });
        }
        let in_package = |name: &str| name[found.package_bytes..].trim_start_matches('.').to_owned();
        renames.old_in_package.insert(in_package(&found.new), in_package(&found.old));
        renames.old.insert(found.new.clone(), found.old.clone());
        renames.new.insert(found.old.clone(), found.new.clone());
    }
    if !renames.new.is_empty() {
        files.iter_mut().for_each(|file| renames.apply(file));
    }
    Ok(renames)
}

impl Renames {
    /// Translates a path of the configuration, `.app.match.data`.
    pub(crate) fn path(&self, path: &str) -> String {
        let name = path.trim_start_matches('.');
        let dots = &path[..path.len() - name.len()];
        format!("{dots}{}", replaced(&self.new, name).unwrap_or_else(|| name.to_owned()))
    }

    /// Gives the strings of generated code the names of the `.proto` files: full names, type URLs, and `NAME`.
    pub(crate) fn restore(&self, stream: TokenStream) -> TokenStream {
        if self.new.is_empty() {
            return stream;
        }
        let (mut is_doc, mut is_name) = (false, false);
        let restore = |token: TokenTree| {
            is_name = is_name && !matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';');
            match token {
                TokenTree::Ident(ident) => {
                    is_doc = ident == "doc";
                    is_name |= ident == "NAME";
                    ident.into()
                }
                TokenTree::Group(group) => Group::new(group.delimiter(), self.restore(group.stream())).into(),
                TokenTree::Literal(literal) if !is_doc => self.restore_literal(literal, is_name),
                other => other,
            }
        };
        stream.into_iter().map(restore).collect()
    }

    fn restore_literal(&self, literal: Literal, is_name: bool) -> TokenTree {
        change_string(literal, &|text| {
            if is_name {
                return self.old_in_package.get(text).cloned();
            }
            let name = text.strip_prefix(TYPE_URL).unwrap_or(text);
            Some(format!("{}{}", &text[..text.len() - name.len()], replaced(&self.old, name)?))
        })
    }

    fn apply(&self, file: &mut FileDescriptorProto) {
        file.extension.iter_mut().for_each(|field| self.apply_to_field(field));
        file.message_type.iter_mut().for_each(|message| self.apply_to_message(message));
        for method in file.service.iter_mut().flat_map(|service| &mut service.method) {
            self.apply_to_name(&mut method.input_type);
            self.apply_to_name(&mut method.output_type);
        }
    }

    fn apply_to_message(&self, message: &mut DescriptorProto) {
        message.field.iter_mut().chain(&mut message.extension).for_each(|field| self.apply_to_field(field));
        message.nested_type.iter_mut().for_each(|nested| self.apply_to_message(nested));
    }

    fn apply_to_field(&self, field: &mut FieldDescriptorProto) {
        self.apply_to_name(&mut field.type_name);
        self.apply_to_name(&mut field.extendee);
    }

    fn apply_to_name(&self, name: &mut Option<String>) {
        if let Some(new) = name.as_deref().and_then(|name| self.new.get(name.strip_prefix('.')?)) {
            *name = Some(format!(".{new}"));
        }
    }
}

/// Replaces a name, or the longest part before a dot that `names` has.
fn replaced(names: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let mut ends = [name.len()].into_iter().chain(name.rmatch_indices('.').map(|(dot, _)| dot));
    ends.find_map(|end| Some(format!("{}{}", names.get(&name[..end])?, &name[end..])))
}

/// Every type of the files, in its scope.
#[derive(Default)]
struct Types {
    file: usize,
    package: String,
    found: Vec<Found>,
}

struct Found {
    file: usize,
    /// The place of the name.
    path: Vec<i32>,
    old: String,
    new: String,
    package_bytes: usize,
    is_named_by_keyword: bool,
}

/// The full name of what contains a type, in the `.proto` file and for Rust.
struct Scope {
    old: String,
    new: String,
}

impl Types {
    fn add_messages(&mut self, scope: &Scope, path: &[i32], messages: &mut [DescriptorProto]) {
        for (index, message) in messages.iter_mut().enumerate() {
            let path = [path, &[index as i32]].concat();
            let inner = self.add(scope, &path, &mut message.name);
            for oneof in &mut message.oneof_decl {
                let name = oneof.name.as_deref().unwrap_or_default();
                if ["self", "Self", "SELF"].contains(&name.trim_matches('_')) {
                    // buffa-codegen would name its type `Self`.
                    oneof.name = Some("self_oneof".to_owned());
                }
            }
            self.add_enums(&inner, &[&path[..], &[NESTED_ENUM]].concat(), &mut message.enum_type);
            self.add_messages(&inner, &[&path[..], &[NESTED]].concat(), &mut message.nested_type);
        }
    }

    fn add_enums(&mut self, scope: &Scope, path: &[i32], enums: &mut [EnumDescriptorProto]) {
        for (index, item) in enums.iter_mut().enumerate() {
            self.add(scope, &[path, &[index as i32]].concat(), &mut item.name);
        }
    }

    fn add(&mut self, scope: &Scope, path: &[i32], name: &mut Option<String>) -> Scope {
        let old = name.clone().unwrap_or_default();
        let is_named_by_keyword = is_rust_keyword(&old);
        // In lower case, a struct would have the name of the module of its nested types.
        let new = if is_named_by_keyword { format!("{}_", old.to_upper_camel_case()) } else { old.clone() };
        let join = |scope: &str, name: &str| if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        let inner = Scope { old: join(&scope.old, &old), new: join(&scope.new, &new) };
        self.found.push(Found {
            file: self.file,
            path: [path, &[NAME]].concat(),
            old: inner.old.clone(),
            new: inner.new.clone(),
            package_bytes: self.package.len(),
            is_named_by_keyword,
        });
        *name = Some(new);
        inner
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

const TYPE_URL: &str = "type.googleapis.com/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_configuration_name_the_types_of_the_proto_file() {
        let message = DescriptorProto { name: Some("match".into()), ..Default::default() };
        let file =
            FileDescriptorProto { package: Some("app".into()), message_type: vec![message], ..Default::default() };
        let Ok(renames) = rename(&mut [file]) else { panic!("Match_ is taken") };
        for (path, renamed) in [
            (".app.match", ".app.Match_"),
            (".app.match.data", ".app.Match_.data"),
            (".app.matching", ".app.matching"),
            (".app", ".app"),
            (".", "."),
        ] {
            assert_eq!(renames.path(path), renamed);
        }
    }

    #[test]
    fn only_names_of_renamed_types_change_in_strings() {
        let message = DescriptorProto { name: Some("match".into()), ..Default::default() };
        let file =
            FileDescriptorProto { package: Some("app".into()), message_type: vec![message], ..Default::default() };
        let Ok(renames) = rename(&mut [file]) else { panic!("Match_ is taken") };
        let code = r#"#[doc = "app.Match_"] const NAME: &str = "Match_"; f("Match_", "app.Match_", "app.Match_x");
            g("app.Match_.extension", "type.googleapis.com/app.Match_")"#;
        let restored = r#"#[doc = "app.Match_"] const NAME: &str = "match"; f("Match_", "app.match", "app.Match_x");
            g("app.match.extension", "type.googleapis.com/app.match")"#;
        let tokens = |code: &str| code.parse::<TokenStream>().unwrap();
        assert_eq!(renames.restore(tokens(code)).to_string(), tokens(restored).to_string());
    }
}
