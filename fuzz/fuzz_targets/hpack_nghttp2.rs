#![no_main]
//! Our HPACK beside that of nghttp2.

mod nghttp2;

use nghttp2::Nghttp2;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzzing::hpack_beside(data, Nghttp2::new));
