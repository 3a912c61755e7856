"""Encodes and decodes header blocks with another implementation of HPACK, for the tests: `peer.py hpack` or
`peer.py nghttp2`.

Reads a command a line, and answers each with a line:

    reset                   starts a new connection; answers `ok`
    encoder-table BYTES     sets the maximum size of the encoder's table; answers `ok`
    decoder-table BYTES     sets the maximum size of the decoder's table; answers `ok`
    encode FIELD...         answers with the block in hex
    decode BLOCK            answers with `ok FIELD...`, or with `error` and the reason

A FIELD is NAME:VALUE in hex, and ends with `!` if it must never be indexed.
"""

import ctypes
import sys


class Hpack:
    """hpack of PyPI."""

    def __init__(self):
        import hpack

        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)

    def set_encoder_table(self, size):
        # hpack forgets a change that no block has signaled yet when the same size is set again.
        if size != self.encoder.header_table_size:
            self.encoder.header_table_size = size

    def set_decoder_table(self, size):
        self.decoder.max_allowed_table_size = size

    def encode(self, fields):
        return self.encoder.encode(fields)

    def decode(self, block):
        return [(field[0], field[1], not field.indexable) for field in self.decoder.decode(block, raw=True)]


class NameValue(ctypes.Structure):
    """nghttp2_nv"""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("name_bytes", ctypes.c_size_t),
        ("value_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


class Nghttp2:
    """The C library nghttp2."""

    TABLE_BYTES_MAX = 16384
    NO_INDEX = 1
    INFLATE_FINAL = 1
    INFLATE_EMIT = 2

    def __init__(self):
        self.library = ctypes.CDLL("libnghttp2.so.14")
        self.library.nghttp2_hd_deflate_bound.restype = ctypes.c_size_t
        self.library.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
        self.library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self.encoder, self.decoder = ctypes.c_void_p(), ctypes.c_void_p()
        table_bytes_max = ctypes.c_size_t(self.TABLE_BYTES_MAX)
        check(self.library.nghttp2_hd_deflate_new(ctypes.byref(self.encoder), table_bytes_max))
        check(self.library.nghttp2_hd_inflate_new(ctypes.byref(self.decoder)))

    def __del__(self):
        self.library.nghttp2_hd_deflate_del(self.encoder)
        self.library.nghttp2_hd_inflate_del(self.decoder)

    def set_encoder_table(self, size):
        check(self.library.nghttp2_hd_deflate_change_table_size(self.encoder, ctypes.c_size_t(size)))

    def set_decoder_table(self, size):
        check(self.library.nghttp2_hd_inflate_change_table_size(self.decoder, ctypes.c_size_t(size)))

    def encode(self, fields):
        def address(text):
            return ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p)

        pairs = (NameValue * len(fields))()
        for pair, (name, value, is_never) in zip(pairs, fields):
            pair.name, pair.name_bytes = address(name), len(name)
            pair.value, pair.value_bytes = address(value), len(value)
            pair.flags = self.NO_INDEX if is_never else 0
        count = ctypes.c_size_t(len(fields))
        room = self.library.nghttp2_hd_deflate_bound(self.encoder, pairs, count)
        block = ctypes.create_string_buffer(room)
        length = check(self.library.nghttp2_hd_deflate_hd(self.encoder, block, ctypes.c_size_t(room), pairs, count))
        return block.raw[:length]

    def decode(self, block):
        fields = []
        rest, length = ctypes.create_string_buffer(block, len(block) + 1), len(block)
        at = 0
        while True:
            pair, flags = NameValue(), ctypes.c_int(0)
            at += check(
                self.library.nghttp2_hd_inflate_hd2(
                    self.decoder,
                    ctypes.byref(pair),
                    ctypes.byref(flags),
                    ctypes.byref(rest, at),
                    ctypes.c_size_t(length - at),
                    1,
                )
            )
            if flags.value & self.INFLATE_EMIT:
                name = ctypes.string_at(pair.name, pair.name_bytes)
                value = ctypes.string_at(pair.value, pair.value_bytes)
                fields.append((name, value, bool(pair.flags & self.NO_INDEX)))
            if flags.value & self.INFLATE_FINAL:
                check(self.library.nghttp2_hd_inflate_end_headers(self.decoder))
                return fields


def check(result):
    if result < 0:
        raise ValueError(f"nghttp2 returned {result}")
    return result


def parse(field):
    name, value = field.rstrip("!").split(":")
    return bytes.fromhex(name), bytes.fromhex(value), field.endswith("!")


def text(field):
    name, value, is_never = field
    return f"{name.hex()}:{value.hex()}{'!' if is_never else ''}"


def answer(peer, command, arguments):
    if command == "encode":
        return peer.encode([parse(field) for field in arguments]).hex()
    if command == "decode":
        try:
            fields = peer.decode(bytes.fromhex("".join(arguments)))
        except Exception as error:
            return f"error {error!r}".replace("\n", " ")
        return " ".join(["ok"] + [text(field) for field in fields])
    if command == "encoder-table":
        peer.set_encoder_table(int(arguments[0]))
    elif command == "decoder-table":
        peer.set_decoder_table(int(arguments[0]))
    return "ok"


def main():
    new = {"hpack": Hpack, "nghttp2": Nghttp2}[sys.argv[1]]
    peer = new()
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "reset":
            peer = new()
        print(answer(peer, command, arguments), flush=True)


main()
