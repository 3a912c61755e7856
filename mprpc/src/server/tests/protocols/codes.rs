//! The codes of failures: the table in docs/protocol.md, and what every protocol makes of each code.

use std::path::Path;

use super::*;
use crate::protocol::http::connect;

/// A row of the table under "Status codes" in docs/protocol.md.
struct Row {
    code: Code,
    name: String,
    of_connect: String,
    http_status: u16,
}

/// The rows of the table, in their order.
fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n### Status codes\n").expect("the section Status codes");
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [name, number, of_connect, http] = cells[..] else { panic!("{line}") };
    let http_status = http.split(';').next().unwrap().parse().unwrap();
    Row {
        code: Code::from_number(number.parse().unwrap()),
        name: name.into(),
        of_connect: of_connect.into(),
        http_status,
    }
}

#[test]
fn table_in_the_docs_has_every_code_with_its_names_and_its_http_status() {
    let rows = rows();
    let numbers: Vec<u8> = rows.iter().map(|row| row.code as u8).collect();
    assert_eq!(numbers, (0..=16).collect::<Vec<u8>>());
    for Row { code, name, of_connect, http_status } in &rows {
        assert_eq!(code.name(), name);
        assert_eq!(connect::http_status(*code), *http_status, "{name}");
        // Connect has no name for OK.
        let expected = if *code == Code::Ok { "" } else { connect::code_name(*code) };
        assert_eq!(of_connect, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_code_arrives_with_the_http_status_of_the_table() {
    let service = All::new(|context, _| async move {
        let number = context.metadata().text("code").unwrap().parse().unwrap();
        Err(Status::new(Code::from_number(number), "as asked"))
    });
    let rows = rows();
    for (shared, mut caller) in callers(server(service)) {
        let protocol = caller.protocol();
        for method in protocol.methods {
            for row in &rows[1..] {
                let number = (row.code as u8).to_string();
                let outcome = caller.call(Call::new(method, &[b"x"]).with("code", number.as_bytes())).await;
                let shown = format!("{} of {method} over {}", row.name, protocol.name);
                assert_eq!((outcome.code(), outcome.message()), (row.code, "as asked"), "{shown}");
                let expected = if (protocol.has_http_status)(method) { row.http_status } else { 200 };
                assert!(outcome.http_status.is_none_or(|status| status == expected), "{shown}: {outcome:?}");
            }
        }
        let (count, stats) = (protocol.methods.len() as u64, shared.stats());
        // CANCELLED is counted apart.
        assert_eq!((stats.calls_failed, stats.calls_cancelled), (15 * count, count), "{}", protocol.name);
    }
}
