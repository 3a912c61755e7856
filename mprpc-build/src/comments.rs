//! Turns comments of a `.proto` file into doc comments of services and methods. buffa-codegen does the same for messages.

use buffa_codegen::generated::descriptor::FileDescriptorProto;
use proc_macro2::TokenStream;
use quote::quote;

/// The number of the field of `FileDescriptorProto` that holds services.
pub(crate) const SERVICE: i32 = 6;
/// The number of the field of `ServiceDescriptorProto` that holds methods.
pub(crate) const METHOD: i32 = 2;
/// The number of the field of `MethodDescriptorProto` that holds options.
pub(crate) const OPTIONS: i32 = 4;

/// Returns the comment before or after the item at `path` as doc attributes, or `otherwise` if there is no comment.
pub(crate) fn doc(file: &FileDescriptorProto, path: &[i32], otherwise: &str) -> TokenStream {
    let location = file.source_code_info.location.iter().find(|location| location.path == path);
    let comment = location.and_then(|location| {
        let mut comments = [&location.leading_comments, &location.trailing_comments].into_iter();
        comments.find_map(|comment| comment.as_deref().filter(|text| !text.trim().is_empty()))
    });
    let lines = markdown(comment.unwrap_or(otherwise));
    quote! { #(#[doc = #lines])* }
}

/// Escapes the lines of a comment for rustdoc: plain text must not become a test or a link.
fn markdown(comment: &str) -> Vec<String> {
    let mut fenced = false;
    comment.trim_end().trim_start_matches('\n').lines().map(|line| line_of(line, &mut fenced)).collect()
}

fn line_of(line: &str, fenced: &mut bool) -> String {
    let text = line.trim();
    if text.starts_with("```") {
        let opens = !*fenced;
        *fenced = opens;
        return if opens && text == "```" { " ```text".to_owned() } else { format!(" {text}") };
    }
    if *fenced {
        return line.trim_end().to_owned();
    }
    // An indent of four columns would make a code block, which rustdoc would compile.
    let indent = (line.len() - line.trim_start().len()).clamp(1, 3);
    match text.is_empty() {
        true => String::new(),
        false => format!("{}{}", " ".repeat(indent), text.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_text_and_brackets_stay_plain_text() {
        assert_eq!(markdown(" See [1].\n\n      let x = <T>;\n"), [" See \\[1\\].", "", "   let x = \\<T>;"]);
    }

    #[test]
    fn fence_without_language_becomes_text() {
        assert_eq!(markdown(" ```\n a[0]\n ```\n"), [" ```text", " a[0]", " ```"]);
    }
}
