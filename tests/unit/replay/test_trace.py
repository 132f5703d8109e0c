"""The trace format: what was written is read back, and what is no trace is refused with its code."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbs.contract import Rejected, axes
from pbs.host.devices import BUTTONS
from pbs.loader import Image, assemble, load
from pbs.replay import Trace, record, replay
from pbs.replay.trace import ROW, ROWS_PER_BLOCK, TraceHeader
from pbs.vm import Input, Status
from tests.unit.replay.recordings import HALTING, image, inputs, machine, parts_of, recorded, sealed

STATUS = {Status.SYNCED: 0, Status.HALTED: 2, Status.TRAPPED: 3}


def code_of(data: bytes, *, partial: bool = False) -> str:
    with pytest.raises(Rejected) as caught:
        Trace.read(data, partial=partial)
    return caught.value.code


def test_options_are_given_by_their_names():
    data = bytes(recorded())
    assert bytes(Trace.read(source=data)) == data
    assert TraceHeader.of(machine=machine()) == TraceHeader.of(machine())
    for wrong in (lambda: Trace.read(data, True), lambda: TraceHeader.of(machine(), True)):
        with pytest.raises(TypeError):
            wrong()


# ---- round trips

inputs_drawn = st.builds(
    Input,
    st.frozensets(st.sampled_from(BUTTONS)),
    st.none() | st.tuples(st.integers(0, 319), st.integers(0, 179)),
)


@given(st.lists(inputs_drawn, min_size=1, max_size=20), st.integers(-(1 << 63), (1 << 63) - 1))
def test_what_was_recorded_is_read_back_and_replays(given_inputs, seed):
    trace = record(image(), given_inputs, seed=seed)
    data = bytes(trace)
    again = Trace.read(data)
    assert (again.header, again.status) == (trace.header, trace.status)
    assert np.array_equal(again.rows, trace.rows)
    assert list(again.inputs()) == given_inputs[: len(trace)]
    assert bytes(again) == data
    report = replay(again)
    assert (report.frames, report.complete, report.digest) == (len(trace), True, trace.digests[-1])


row_words = st.tuples(
    st.integers(0, 0xFFF),
    st.integers(0, 319),
    st.integers(0, 179),
    st.integers(0, 1),
    st.just(0),
    st.integers(0, (1 << 64) - 1),
    st.binary(min_size=16, max_size=16),
)


@given(
    rows=st.lists(row_words, min_size=1, max_size=8),
    status=st.sampled_from(list(STATUS)),
    start=st.binary(max_size=40),
    cartridge=st.binary(max_size=40),
    digest=st.binary(min_size=32, max_size=32),
    vector=st.dictionaries(
        st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.from_regex(r"[0-9.]{1,9}", fullmatch=True)
    ),
)
def test_the_bytes_are_those_of_the_specification(rows, status, start, cartridge, digest, vector):
    """Written here from docs/formats.md, trace; and read back as the same."""
    header = TraceHeader(digest=digest, seed=-2, limits=image().limits, axes=vector, cartridge=cartridge, start=start)
    table = np.zeros(len(rows), ROW)
    for i, (*words, frame_digest) in enumerate(rows):
        table[i] = (*words, np.frombuffer(frame_digest, np.uint8))
    limits = header.limits
    lines = "".join(f"{name}={vector[name]}\n" for name in sorted(vector)).encode()
    body = digest + struct.pack("<q", -2)
    body += struct.pack("<9Q", limits.frame_cycles, limits.heap_words, limits.objects, limits.gc_threshold_words,
                        limits.stack_words, limits.call_depth, limits.coroutines, limits.host_calls, limits.log_bytes)  # fmt: skip
    body += struct.pack("<H", len(lines)) + lines
    body += struct.pack("<I", len(cartridge)) + cartridge + struct.pack("<I", len(start)) + start
    expected = sealed(b"PBST" + struct.pack("<HHI", 1, 0, len(body)) + body)
    packed = b"".join(struct.pack("<HHBBHQ", *words) + frame_digest for *words, frame_digest in rows)
    expected += sealed(b"ROWS" + struct.pack("<HH", len(rows), 0) + packed)
    expected += sealed(b"DONE" + struct.pack("<B3xQ", STATUS[status], len(rows)))
    assert bytes(Trace(header=header, rows=table, status=status)) == expected
    read = Trace.read(expected)
    assert (read.header, read.status) == (header, status)
    assert read.rows.tobytes() == table.tobytes()


@pytest.mark.parametrize("frames", [1, ROWS_PER_BLOCK, ROWS_PER_BLOCK + 1])
def test_a_block_holds_so_many_rows(frames):
    rows = np.repeat(recorded().rows[:1], frames)
    trace = Trace(header=recorded().header, rows=rows, status=Status.SYNCED)
    blocks = parts_of(bytes(trace))[1:-1]
    assert [int.from_bytes(block[4:6], "little") for block in blocks] == [frames][: frames <= ROWS_PER_BLOCK] or [
        ROWS_PER_BLOCK,
        1,
    ]
    assert len(Trace.read(bytes(trace))) == frames


def test_the_header_says_under_what_it_was_recorded():
    header = recorded().header
    assert header.digest == image().digest
    assert (header.seed, header.limits, header.start) == (11, image().limits, b"")
    assert header.axes == dict(axes.CURRENT)
    assert load(header.cartridge, limits=header.limits).digest == image().digest


def test_the_end_says_how_the_machine_stands():
    assert recorded().status is Status.SYNCED
    assert record(image(), HALTING).status is Status.HALTED
    trapping = load(assemble(".func main() -> ()\nTRAP\n.end\n"))
    assert record(trapping, inputs(3)).status is Status.TRAPPED


def test_a_file_is_written_whole_and_read_by_its_path(tmp_path):
    recorded().write(tmp_path / "a.pbt")
    assert (tmp_path / "a.pbt").read_bytes() == bytes(recorded())
    for path in (tmp_path / "a.pbt", str(tmp_path / "a.pbt")):
        assert bytes(Trace.read(path)) == bytes(recorded())
    with pytest.raises(Rejected) as caught:
        Trace.read(tmp_path / "b.pbt")
    assert caught.value.code == "file_missing"


# ---- damage


def behaviour(trace: Trace):
    """What a trace says."""
    return trace.header, trace.rows.tobytes(), trace.status


def test_every_truncation_is_refused():
    whole = bytes(recorded())
    codes = {code_of(whole[:length]) for length in range(len(whole))}
    assert codes == {"trace_malformed", "trace_truncated"}
    assert {code_of(whole[:length]) for length in range(1, len(whole))} == {"trace_truncated"}
    assert code_of(b"") == "trace_malformed"


def test_of_a_truncated_trace_the_whole_blocks_are_read_on_request():
    """Three blocks of rows: what is cut is missing, what is whole is there, and nothing is complete without its end."""
    header, block, end = parts_of(bytes(recorded(6)))
    pieces = [sealed(header)]
    for first in (0, 2, 4):
        pieces.append(sealed(b"ROWS" + struct.pack("<HH", 2, 0) + block[8 + 32 * first : 8 + 32 * (first + 2)]))
    whole = b"".join([*pieces, sealed(end)])
    assert behaviour(Trace.read(whole)) == behaviour(recorded(6))
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    for length in range(1, len(whole)):
        blocks = sum(length >= at for at in ends[1:])
        if blocks:
            partial = Trace.read(whole[:length], partial=True)
            assert behaviour(partial) == (recorded(6).header, recorded(6).rows[: 2 * blocks].tobytes(), None)
        else:
            assert code_of(whole[:length], partial=True) in ("trace_truncated", "trace_empty")
    assert Trace.read(whole, partial=True).status is Status.SYNCED


def test_every_byte_changed_is_noticed():
    whole = bytes(recorded())
    for at in range(len(whole)):
        for flip in (1, 0x80, 0xFF):
            data = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            assert code_of(data).startswith("trace_"), at


def test_a_partial_reading_takes_no_changed_row():
    """Damage is a refusal, or what is left are the rows in front of it."""
    whole, rows = bytes(recorded()), recorded().rows.tobytes()
    for at in range(len(whole)):
        data = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        try:
            trace = Trace.read(data, partial=True)
        except Rejected as refused:
            assert refused.code.startswith("trace_")
        else:
            assert trace.header == recorded().header
            assert rows.startswith(trace.rows.tobytes())
            assert trace.status is None


# ---- forged: with the right checksums


def forged(**changes: bytes) -> bytes:
    """The trace with other parts: header, block, end."""
    names = ("header", "block", "end")
    parts = dict(zip(names, parts_of(bytes(recorded())), strict=True)) | changes
    return b"".join(sealed(parts[name]) for name in names if parts[name])


def changed(part: bytes, at: int, value: bytes) -> bytes:
    return part[:at] + value + part[at + len(value) :]


HEADER, BLOCK, END = parts_of(bytes(recorded()))
AXES_AT = 12 + 32 + 8 + 72
AXES_BYTES = int.from_bytes(HEADER[AXES_AT : AXES_AT + 2], "little")

FORGERIES = {
    "flags": (forged(header=changed(HEADER, 6, b"\1")), "trace_malformed"),
    "another version": (forged(header=changed(HEADER, 4, b"\2")), "trace_format_unsupported"),
    "a longer header": (
        forged(header=changed(HEADER + b"\0", 8, struct.pack("<I", len(HEADER) - 11))),
        "trace_malformed",
    ),
    "a shorter header": (
        forged(header=changed(HEADER[:-1], 8, struct.pack("<I", len(HEADER) - 13))),
        "trace_malformed",
    ),
    "no header at all": (forged(header=changed(HEADER[:12], 8, bytes(4))), "trace_malformed"),
    "axes without values": (
        forged(header=changed(HEADER, AXES_AT + 2, b"x" * (AXES_BYTES - 1) + b"\n")),
        "trace_malformed",
    ),
    "an axis that stands twice": (
        forged(
            header=changed(HEADER, AXES_AT + 2, (b"a=1\na=2\n" + b"b=" + b"x" * AXES_BYTES)[: AXES_BYTES - 1] + b"\n")
        ),
        "trace_malformed",
    ),
    "axes out of order": (forged(header=changed(HEADER, AXES_AT + 2, b"z")), "trace_malformed"),
    "axes that are no text": (forged(header=changed(HEADER, AXES_AT + 2, b"\xff")), "trace_malformed"),
    "axes longer than the header": (forged(header=changed(HEADER, AXES_AT, b"\xff\xff")), "trace_malformed"),
    "a block of nothing": (forged(block=b"ROWS" + bytes(4)), "trace_malformed"),
    "a reserved field": (forged(block=changed(BLOCK, 6, b"\1")), "trace_malformed"),
    "a button that does not exist": (forged(block=changed(BLOCK, 8 + 1, b"\x10")), "trace_malformed"),
    "a touch beyond the right": (forged(block=changed(BLOCK, 8 + 2, struct.pack("<H", 320))), "trace_malformed"),
    "a touch beyond the bottom": (forged(block=changed(BLOCK, 8 + 4, b"\xb4")), "trace_malformed"),
    "a touch that is neither": (forged(block=changed(BLOCK, 8 + 5, b"\2")), "trace_malformed"),
    "an event": (forged(block=changed(BLOCK, 8 + 6, b"\1")), "trace_malformed"),
    "an unknown part": (forged(block=b"ROWZ" + BLOCK[4:]), "trace_malformed"),
    "an unknown status": (forged(end=changed(END, 4, b"\1")), "trace_malformed"),
    "a reserved field of the end": (forged(end=changed(END, 5, b"\1")), "trace_malformed"),
    "another count of frames": (forged(end=changed(END, 8, b"\4")), "trace_malformed"),
    "no rows": (forged(block=b"", end=changed(END, 8, b"\0")), "trace_empty"),
    "no end": (forged(end=b""), "trace_truncated"),
    "two ends": (forged() + sealed(END), "trace_malformed"),
    "bytes behind the end": (forged() + b"\0", "trace_malformed"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_trace_is_refused(name):
    data, code = FORGERIES[name]
    assert code_of(data) == code


def test_what_is_forged_is_whole_but_for_the_forgery():
    assert forged() == bytes(recorded())


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"PBST\1\0\0\0" + tail))
def test_any_bytes_are_refused_with_a_code(data):
    assert code_of(data).startswith("trace_")
    assert code_of(data, partial=True).startswith("trace_")


# ---- of what


def refused_by_replay(trace: Trace, of: Image | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        replay(trace, of)
    return caught.value.code


def test_a_trace_is_of_its_cartridge():
    other = load(assemble(".func main() -> ()\nHALT\n.end\n"), limits=image().limits)
    assert refused_by_replay(recorded(), other) == "trace_cartridge_mismatch"
    nops = [".func main() -> ()\n" + "NOP\n" * count + "HALT\n.end\n" for count in range(8)]
    others = [load(assemble(text), limits=image().limits) for text in nops]
    assert {one.digest < image().digest for one in others} == {True, False}
    assert {refused_by_replay(recorded(), one) for one in others} == {"trace_cartridge_mismatch"}
    wider = load(image().source, limits=replace(image().limits, heap_words=image().limits.heap_words + 1))
    assert refused_by_replay(recorded(), wider) == "trace_cartridge_mismatch"
    swapped = replace(recorded(), header=replace(recorded().header, cartridge=other.source))
    assert refused_by_replay(swapped) == "trace_malformed"


def test_a_trace_from_a_state_starts_there_and_a_forged_state_is_refused():
    running = machine()
    running.run(3, inputs(3))
    header = TraceHeader.of(running, from_here=True)
    rows = recorded().rows[3:]
    assert replay(Trace(header=header, rows=rows, status=Status.SYNCED)).digest == recorded().digests[-1]
    broken = replace(header, start=header.start[:-8] + b"\1" * 8)
    assert refused_by_replay(Trace(header=broken, rows=rows, status=Status.SYNCED)).startswith("snapshot_")
