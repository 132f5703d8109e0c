"""The native hash against the xxhash package."""

import ctypes
from random import Random

import pytest
import xxhash
from llvmlite import binding as llvm

from pbs.vm import xxh3
from pbs.vm.target import target_machine


def native_hash():
    """The native function on bytes: what it gives, as xxhash gives it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(xxh3.module()), target_machine())
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p)
    function = prototype(engine.get_function_address("pbs_hash128"))

    def call(data: bytes) -> int:
        result = (ctypes.c_uint64 * 2)()
        function(data, len(data), result)
        return result[1] << 64 | result[0]

    call.engine = engine  # its code lives as long as it does
    return call


@pytest.fixture(scope="module")
def hash128():
    return native_hash()


DATA = Random(1).randbytes(1 << 20)


def test_every_length_in_words(hash128):
    """From 32 words, the least that is ever hashed."""
    for words in range(32, 601):
        data = DATA[words : words + 8 * words]
        assert hash128(data) == xxhash.xxh3_128_intdigest(data), words


def test_lengths_that_are_no_words(hash128):
    """The algorithm's borders: stripes of 64 bytes, blocks of 1,024."""
    for length in (*range(241, 330), *range(1000, 1100), *range(2040, 2060), *range(3070, 3080)):
        assert hash128(DATA[:length]) == xxhash.xxh3_128_intdigest(DATA[:length]), length


@pytest.mark.parametrize("length", [115_200, 65_536 * 8, (1 << 20) - 1, 1 << 20])
def test_what_is_large(hash128, length):
    assert hash128(DATA[:length]) == xxhash.xxh3_128_intdigest(DATA[:length])


@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\x80"])
def test_words_of_one_kind(hash128, byte):
    for words in (32, 127, 128, 129, 4096):
        assert hash128(byte * 8 * words) == xxhash.xxh3_128_intdigest(byte * 8 * words)


def test_every_bit_of_a_record_counts(hash128):
    data = bytearray(DATA[:256])
    seen = {hash128(bytes(data))}
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        seen.add(hash128(bytes(data)))
        data[bit // 8] ^= 1 << bit % 8
    assert len(seen) == 8 * len(data) + 1


def test_a_wrong_secret_is_noticed(monkeypatch):
    """This can fail: with another byte in the secret, another hash."""
    monkeypatch.setattr(xxh3, "SECRET", bytes(xxh3.SECRET[:-1]) + b"\0")
    assert native_hash()(DATA[:2048]) != xxhash.xxh3_128_intdigest(DATA[:2048])
