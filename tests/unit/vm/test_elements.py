"""Small elements of words, on a processor of either byte order: the words of the other one are made by turning ours around."""

import struct
import sys

import numpy as np
import pytest
import xxhash

from pbs.vm import Machine
from pbs.vm.elements import SIZES, elements
from pbs.vm.reference import _hash128
from pbs.vm.snapshot import take
from tests.unit.vm import world

OTHER = {"little": "big", "big": "little"}[sys.byteorder]
DTYPES = {"B": np.dtype("u1"), "H": np.dtype("<u2")}


def words() -> np.ndarray:
    return np.frombuffer(bytes(range(1, 49)), "<i8").astype(np.int64)


def turned(kind: str) -> memoryview:
    """The same words as the other processor has them in memory, whose elements of that kind can be read by this one."""
    size = SIZES[kind]
    return words().byteswap().view(f"u{size}").byteswap().view(np.int64).data


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("order", [sys.byteorder, OTHER])
def test_elements_are_those_of_a_file(kind, order):
    wanted = words().astype("<i8").view(DTYPES[kind]).tolist()
    found = elements(words().data if order == sys.byteorder else turned(kind), kind, order)
    assert len(found) == len(wanted)
    assert [found[i] for i in range(len(found))] == wanted
    assert list(found[5:9]) == wanted[5:9]
    assert list(found[8:][3:5]) == wanted[11:13]
    assert list(found[9:4]) == []


@pytest.mark.parametrize("order", [sys.byteorder, OTHER])
def test_elements_are_written_where_they_are_read(order):
    found = elements(np.zeros(4, np.int64).data, "B", order)
    part = found[8:20]
    part[1] = 7
    part[2:5] = b"abc"
    assert bytes(found) == bytes(9) + b"\7abc" + bytes(19)
    with pytest.raises(ValueError, match=r"."):
        part[2:5] = b"ab"
    for beyond in (12, 40):
        with pytest.raises(IndexError):
            part[beyond]
        with pytest.raises(IndexError):
            part[beyond] = 1


def test_words_are_their_own_elements():
    state = words().data
    assert elements(state, "q", OTHER) is state


def test_the_digest_is_of_words_with_the_low_byte_first():
    state = np.concatenate([words(), np.zeros(2, np.int64)])
    _hash128(state.data, 0, 6, 6)
    assert state.tobytes()[:48] == words().tobytes()
    wanted = xxhash.xxh3_128_intdigest(struct.pack("<6q", *words().tolist()))
    assert [word % 2**64 for word in state[6:].tolist()] == [wanted % 2**64, wanted >> 64]


def test_a_snapshot_of_words_in_the_other_order_is_the_same():
    machine = Machine(world.world(), engine="reference")
    machine.run(3)
    turned_around = machine.state.astype(machine.state.dtype.newbyteorder())
    assert bytes(take(machine.image, turned_around)) == bytes(machine.snapshot())
