//! The HPACK encoder and decoder of nghttp2, a C library.

use std::ffi::c_int;
use std::ptr;

use libnghttp2_sys::*;
use mprpc::fuzzing::{HpackField, HpackPeer};

/// An encoder and a decoder.
pub struct Nghttp2 {
    deflater: *mut nghttp2_hd_deflater,
    inflater: *mut nghttp2_hd_inflater,
}

impl Nghttp2 {
    pub fn new() -> Nghttp2 {
        let (mut deflater, mut inflater) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the places for the results are valid.
        unsafe {
            assert_eq!(nghttp2_hd_deflate_new(&mut deflater, TABLE_BYTES_MAX), 0);
            assert_eq!(nghttp2_hd_inflate_new(&mut inflater), 0);
        }
        Nghttp2 { deflater, inflater }
    }
}

impl Drop for Nghttp2 {
    fn drop(&mut self) {
        // SAFETY: both were created by `new`, and nothing refers to them any more.
        unsafe {
            nghttp2_hd_deflate_del(self.deflater);
            nghttp2_hd_inflate_del(self.inflater);
        }
    }
}

impl HpackPeer for Nghttp2 {
    fn set_decoder_table(&mut self, bytes: u32) {
        // SAFETY: the inflater is valid, and is not within a block.
        unsafe { assert_eq!(nghttp2_hd_inflate_change_table_size(self.inflater, bytes as usize), 0) };
    }

    fn set_encoder_table(&mut self, bytes: u32) {
        // SAFETY: the deflater is valid.
        unsafe { assert_eq!(nghttp2_hd_deflate_change_table_size(self.deflater, bytes as usize), 0) };
    }

    fn decode(&mut self, mut block: &[u8]) -> Option<Vec<HpackField>> {
        let mut fields = Vec::new();
        loop {
            let (mut field, mut flags): (nghttp2_nv, c_int) = (EMPTY, 0);
            // SAFETY: the inflater and the block are valid. The field is read before the next call.
            let taken = unsafe {
                nghttp2_hd_inflate_hd2(self.inflater, &mut field, &mut flags, block.as_ptr(), block.len(), 1)
            };
            block = &block[usize::try_from(taken).ok()?..];
            if flags & NGHTTP2_HD_INFLATE_EMIT as c_int != 0 {
                fields.push(HpackField {
                    name: bytes(field.name, field.namelen),
                    value: bytes(field.value, field.valuelen),
                    never_indexed: field.flags & NGHTTP2_NV_FLAG_NO_INDEX as u8 != 0,
                });
            }
            if flags & NGHTTP2_HD_INFLATE_FINAL as c_int != 0 {
                // SAFETY: the inflater is valid, and the block has ended.
                unsafe { assert_eq!(nghttp2_hd_inflate_end_headers(self.inflater), 0) };
                return Some(fields);
            }
            if flags & NGHTTP2_HD_INFLATE_EMIT as c_int == 0 && block.is_empty() {
                return None;
            }
        }
    }

    fn encode(&mut self, fields: &[HpackField]) -> Vec<u8> {
        let flags = |field: &HpackField| if field.never_indexed { NGHTTP2_NV_FLAG_NO_INDEX as u8 } else { 0 };
        let pairs: Vec<nghttp2_nv> = fields
            .iter()
            .map(|field| nghttp2_nv {
                name: field.name.as_ptr().cast_mut(),
                namelen: field.name.len(),
                value: field.value.as_ptr().cast_mut(),
                valuelen: field.value.len(),
                flags: flags(field),
            })
            .collect();
        // SAFETY: the deflater and the pairs are valid; the pairs are only read. The bound is that of these pairs.
        unsafe {
            let mut out = vec![0; nghttp2_hd_deflate_bound(self.deflater, pairs.as_ptr(), pairs.len())];
            let written = nghttp2_hd_deflate_hd2(
                self.deflater,
                out.as_mut_ptr(),
                out.len(),
                pairs.as_ptr(),
                pairs.len(),
            );
            out.truncate(usize::try_from(written).expect("the buffer is long enough"));
            out
        }
    }
}

/// Copies bytes of nghttp2.
fn bytes(start: *const u8, length: usize) -> Vec<u8> {
    // SAFETY: nghttp2 says that so many bytes are there until the next call; no pointer is null if there are any.
    if length == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(start, length) }.to_vec() }
}

const EMPTY: nghttp2_nv =
    nghttp2_nv { name: ptr::null_mut(), value: ptr::null_mut(), namelen: 0, valuelen: 0, flags: 0 };
/// The largest table that the encoder uses.
const TABLE_BYTES_MAX: usize = 16 << 10;
