//! Rows of text with aligned columns. It knows nothing of the content.

/// Returns the rows as lines. Each column is as wide as its widest cell, and no line ends with spaces.
pub(crate) fn align<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{:<width$}  ", printable(cell)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Replaces characters that move a terminal's cursor, because others write the content of a registry.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let rows = [["a", "bb", "c"], ["ééé", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(align(&rows), "a    bb  c\nééé  b\n");
    }

    #[test]
    fn printable_text_never_moves_the_cursor() {
        assert_eq!(printable("a\x1b[2J\nb\u{9b}"), "a?[2J?b?");
    }
}
