"""Snapshots: the whole machine, on either engine, in any process; and what is none is refused with its code."""

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pbs.contract import Rejected, UsageError
from pbs.loader import assemble, load
from pbs.vm import Machine, Snapshot, Status
from tests.unit.vm.snapshots import HEADER_BYTES, forged, places, sealed, taken, words_of
from tests.unit.vm.world import ENGINES, FRAMES, LIMITS, PROGRAM, image, inputs, other_world, played, recorded, world

ROOT = Path(__file__).resolve().parents[3]

# docs/formats.md, snapshot: header fields, and what is said when one is not what it should be
FIELDS = {
    "magic": (range(4), "snapshot_malformed"),
    "version": (range(4, 6), "snapshot_format_unsupported"),
    "flags": (range(6, 8), "snapshot_malformed"),
    "length": (range(8, 16), "snapshot_malformed"),
    "cartridge digest": (range(16, 48), "snapshot_cartridge_mismatch"),
    "limits": (range(48, 120), "snapshot_cartridge_mismatch"),
    "checksum": (range(120, 124), "snapshot_checksum_wrong"),
    "zero": (range(124, 128), "snapshot_malformed"),
}


def refused(data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        Snapshot.read(data, world())
    return caught.value.code


# ---- round trips


@pytest.mark.parametrize("giver", ENGINES)
@pytest.mark.parametrize("taker", ENGINES)
def test_a_machine_goes_on_from_every_frame(giver, taker):
    source = played(0, giver)
    target = Machine(world(), engine=taker)
    for frame in range(FRAMES):
        data = bytes(source.snapshot())
        target.restore(data)
        assert bytes(target.snapshot()) == data
        assert (target.frame, target.seed, target.cycles) == (frame, source.seed, source.cycles)
        assert tuple(target.run(FRAMES - frame, inputs()[frame:])) == recorded()[frame:]
        source.run(1, [inputs()[frame]])


# Words of the other regions mean nothing between frames.
KEPT = (
    "control", "device", "rows", "order", "sleepers", "globals", "log", "pixels", "objects", "info", "heap_order", "heap",
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("coroutines", [LIMITS.coroutines, 32])
@pytest.mark.parametrize("taken_at", [0, 6])
def test_nothing_is_left_of_what_the_machine_was(engine, coroutines, taken_at):
    """Whether a machine was used before or not, its words are the same, also where a snapshot has none."""
    of = image(PROGRAM, coroutines=coroutines)
    used, fresh = Machine(of, engine=engine), Machine(of, engine=engine)
    used.run(taken_at, inputs(taken_at))
    snapshot = used.snapshot()
    used.run(FRAMES, inputs())
    used.restore(snapshot)
    fresh.restore(snapshot)
    for region in KEPT:
        at, size = used.layout.regions[region]
        assert np.array_equal(used.state[at : at + size], fresh.state[at : at + size]), region


def test_both_engines_give_the_same_bytes():
    for frame in range(FRAMES):
        assert bytes(played(frame, "reference").snapshot()) == taken(frame)


def test_a_snapshot_goes_on_in_another_process(tmp_path):
    (tmp_path / "taken").write_bytes(taken())
    program = (
        "import pathlib, sys; from tests.unit.vm.world import *\n"
        "machine = Machine(world())\n"
        "machine.restore(pathlib.Path(sys.argv[1]).read_bytes())\n"
        f"print(*(result.digest.hex() for result in machine.run({FRAMES} - machine.frame, inputs()[machine.frame:])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "taken")],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == [result.digest.hex() for result in recorded()[6:]]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_that_ended_is_restored(engine):
    image = load(
        assemble(".global n: int\n.func main() -> ()\nFRAME_SYNC\nPUSH 1\nGET_GLOBAL n\nDIV\nPOP\nRET\n.end\n")
    )
    machine = Machine(image, engine=engine)
    machine.run(1)
    before = machine.snapshot()
    first = machine.run(1)
    assert first[0].status is Status.TRAPPED
    machine.restore(before)
    assert not machine.ended
    assert machine.trap is None
    assert machine.run(1) == first


@pytest.mark.parametrize("engine", ENGINES)
def test_a_machine_inside_of_a_frame_is_restored(engine):
    machine = played(4, engine)
    before = machine.snapshot()
    assert machine.run_frame(inputs()[4], budget=120).status is Status.UNFINISHED
    machine.restore(before)
    assert not machine.in_frame
    assert machine.run(1, [inputs()[4]])[0] == recorded()[4]


def test_no_snapshot_is_taken_inside_of_a_frame_or_after_the_end():
    machine = played(4)
    machine.run_frame(budget=0)
    with pytest.raises(UsageError) as caught:
        machine.snapshot()
    assert caught.value.code == "not_at_frame_boundary"
    ended = Machine(load(assemble(".func main() -> ()\nHALT\n.end\n")))
    ended.run(1)
    with pytest.raises(UsageError) as caught:
        ended.snapshot()
    assert caught.value.code == "machine_ended"


def test_a_restore_that_is_refused_changes_nothing():
    machine = played(5)
    before = machine.state.copy()
    words = words_of(taken())
    words[places().index(("globals", 3))] = 1 << 40
    with pytest.raises(Rejected):
        machine.restore(forged(words))
    assert np.array_equal(machine.state, before)
    assert tuple(machine.run(FRAMES - 5, inputs()[5:])) == recorded()[5:]


# ---- of another image


def test_a_snapshot_is_of_its_cartridge_and_its_limits():
    wider = load(assemble(PROGRAM), limits=replace(LIMITS, heap_words=LIMITS.heap_words + 8))
    for other in (other_world(), wider):
        for given in (taken(), played(6).snapshot()):
            with pytest.raises(Rejected) as caught:
                Machine(other).restore(given)
            assert caught.value.code == "snapshot_cartridge_mismatch"


def test_the_same_cartridge_loaded_again_is_the_same():
    machine = Machine(load(assemble(PROGRAM), limits=LIMITS))
    machine.restore(played(6).snapshot())
    assert tuple(machine.run(FRAMES - 6, inputs()[6:])) == recorded()[6:]


# ---- damage


@pytest.mark.parametrize("field", FIELDS)
def test_every_header_field_is_looked_at(field):
    where, code = FIELDS[field]
    for at, flip in product(where, (0x40, 0x80)):
        data = bytearray(taken())
        data[at] ^= flip
        if field in ("magic", "version", "flags", "length", "zero"):
            assert refused(bytes(data)) == code
        else:
            assert refused(bytes(data)) == "snapshot_checksum_wrong"
        if field not in ("length", "checksum", "zero"):
            assert refused(sealed(bytes(data))) == code


def test_the_header_fields_fill_the_header():
    assert [at for where, _ in FIELDS.values() for at in where] == list(range(HEADER_BYTES))


def test_every_byte_of_the_body_is_covered_by_the_checksum():
    whole = taken()
    end = HEADER_BYTES + 8 * len(places())
    for at in (*range(HEADER_BYTES, end), *range(end, len(whole), 997), len(whole) - 1):
        data = bytearray(whole)
        data[at] ^= 1
        assert refused(bytes(data)) == "snapshot_checksum_wrong"


def test_every_truncation_is_refused():
    whole = taken()
    body = HEADER_BYTES + 8 * len(places())
    for length in (*range(body), *range(body, len(whole), 1009), len(whole) - 1):
        assert refused(whole[:length]) == "snapshot_malformed"


def test_every_truncation_that_was_sealed_again_is_refused():
    whole = taken()
    for length in (*range(HEADER_BYTES, HEADER_BYTES + 8 * len(places()), 8), len(whole) - 8):
        assert refused(sealed(whole[:length])) == "snapshot_invalid"
    for length in (HEADER_BYTES + 1, HEADER_BYTES + 63, len(whole) - 1):
        assert refused(sealed(whole[:length])) == "snapshot_malformed"


def test_what_goes_on_behind_its_end_is_refused():
    assert refused(taken() + bytes(8)) == "snapshot_malformed"
    assert refused(sealed(taken() + bytes(8))) == "snapshot_invalid"
    assert refused(b"") == "snapshot_malformed"
    assert refused(bytes(HEADER_BYTES)) == "snapshot_malformed"
