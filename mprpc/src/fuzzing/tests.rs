//! Replays the corpora in `fuzz/corpus`.

use std::fs;
use std::path::Path;

use super::*;

/// The name of a target, and its entry point.
type Target = (&'static str, fn(&[u8]));

/// Every target of `fuzz/`. The blocks of the differential target are decoded without its peer.
const TARGETS: [Target; 11] = [
    ("classic", classic),
    ("grpc", grpc),
    ("hpack", hpack),
    ("hpack_nghttp2", hpack),
    ("http1", http1),
    ("http2_client", http2_client),
    ("http2_server", http2_server),
    ("native", native),
    ("paths", paths),
    ("proxy", proxy),
    ("sniff", sniffed),
];

#[test]
fn corpora_of_the_fuzz_targets_find_no_fault() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (target, run) in TARGETS {
        let mut count = 0;
        for file in fs::read_dir(corpora.join(target)).unwrap() {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            // The name of the input is in the message of a panic.
            let ran = std::panic::catch_unwind(|| run(&data));
            assert!(ran.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 5, "{target} has {count} inputs");
    }
}
