//! A field that this side sends: checked, so that no value can begin another field or another response.

use crate::status::Status;

/// Checks a field. INTERNAL if its name is not a token in lower case, or if its value has a control byte other than a tab.
/// The error shows the name and never the value.
pub(crate) fn check_field(name: &str, value: &[u8]) -> Result<(), Status> {
    let in_a_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(in_a_name) {
        return Err(Status::internal(format!("the field name {name:?} is not allowed in HTTP")));
    }
    match value.iter().position(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
        Some(at) => Err(Status::internal(format!("the value of the field {name} has a control byte at {at}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_could_split_a_response_are_refused() {
        for (name, value) in [("x-a", "plain\ttext"), ("x_1.2", ""), ("~", "ä")] {
            assert!(check_field(name, value.as_bytes()).is_ok(), "{name}");
        }
        for name in ["", "X", "a b", "a:", "a\r", "ä", "a\0"] {
            assert!(check_field(name, b"").is_err(), "{name:?}");
        }
        for byte in (0..=31).chain([127]).filter(|byte| *byte != b'\t') {
            let status = check_field("x-a", &[b'v', byte]).unwrap_err();
            assert_eq!(status.message(), "the value of the field x-a has a control byte at 1");
        }
    }
}
