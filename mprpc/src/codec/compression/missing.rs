//! Replaces an algorithm that is not compiled in.

use super::Fault;

pub(super) fn compress(_: &[u8], _: &mut Vec<u8>) -> Result<(), Fault> {
    Err(Fault::Missing)
}

pub(super) fn decompress(_: &[u8], _: usize) -> Result<Vec<u8>, Fault> {
    Err(Fault::Missing)
}
