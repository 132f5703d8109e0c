"""What is left of a trace whose writer was stopped, and what is no such thing."""

from dataclasses import replace

import pytest

from pbs.contract import Rejected
from pbs.replay import Trace
from pbs.replay.trace import MAX_TRACE_BYTES, encode_block, encode_end
from pbs.vm import Status
from tests.unit.replay.recordings import recorded, sealed

WHOLE = recorded(6)
HEADER = WHOLE.header.encode()
BLOCKS = [encode_block(WHOLE.rows[at : at + 2]) for at in (0, 2, 4)]
END = encode_end(6, Status.SYNCED)


def damaged(part: bytes) -> bytes:
    return part[:20] + bytes([part[20] ^ 1]) + part[21:]


def rows_of(data: bytes) -> int:
    return len(Trace.read(data, partial=True).rows)


def rejection(data: bytes, *, partial: bool):
    with pytest.raises(Rejected) as caught:
        Trace.read(data, partial=partial)
    return caught.value.diagnostic


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_damaged_block_with_more_behind_it_is_no_torn_one(which, partial):
    blocks = [damaged(block) if at == which else block for at, block in enumerate(BLOCKS)]
    found = rejection(HEADER + b"".join(blocks) + END, partial=partial)
    assert found.code == "trace_checksum_wrong"
    assert found.details["offset"] == len(HEADER) + sum(map(len, BLOCKS[:which]))


def test_the_last_block_may_be_torn():
    whole = HEADER + b"".join(BLOCKS[:2])
    assert rows_of(whole + damaged(BLOCKS[2])) == 4
    assert rejection(whole + damaged(BLOCKS[2]), partial=False).code == "trace_checksum_wrong"
    assert rejection(whole + damaged(BLOCKS[2]) + b"R", partial=True).code == "trace_checksum_wrong"
    for length in range(len(BLOCKS[2])):
        assert rows_of(whole + BLOCKS[2][:length]) == 4
        found = rejection(whole + BLOCKS[2][:length], partial=False)
        assert (found.code, found.details["offset"]) == ("trace_truncated", len(whole))


@pytest.mark.parametrize("more", range(8))
def test_the_last_block_may_be_torn_wherever_it_ends(more):
    header = replace(WHOLE.header, cartridge=WHOLE.header.cartridge + bytes(more)).encode()
    assert len(header) == len(HEADER) + more
    assert rows_of(header + BLOCKS[0] + damaged(BLOCKS[1])) == 2


def test_the_end_may_be_torn():
    whole = HEADER + b"".join(BLOCKS)
    for length in range(len(END)):
        read = Trace.read(whole + END[:length], partial=True)
        assert (len(read.rows), read.status) == (6, None)
    flipped = END[:-1] + bytes([END[-1] ^ 1])
    assert Trace.read(whole + flipped, partial=True).status is None
    assert rejection(whole + flipped, partial=False).code == "trace_checksum_wrong"


def test_a_header_alone_has_no_rows():
    assert rejection(HEADER, partial=True).code == "trace_empty"
    assert rejection(HEADER, partial=False).code == "trace_truncated"
    assert rejection(HEADER + encode_end(0, Status.SYNCED), partial=False).code == "trace_empty"
    for length in range(1, len(HEADER)):
        found = rejection(HEADER[:length], partial=True)
        assert (found.code, found.details["offset"]) == ("trace_truncated", length)


def test_what_is_no_trace_says_what_it_begins_with():
    for data, available in ((b"", "nothing"), (b"Q", "51"), (b"PBSX\x01\x00", "50425358")):
        found = rejection(data, partial=True)
        assert (found.code, found.required, found.available) == ("trace_malformed", "PBST", available)


@pytest.mark.parametrize("kind", [b"AAAA", b"DONF", b"ROWT", b"\xff" * 4])
def test_a_part_of_unknown_kind_is_named_as_that_also_with_a_right_checksum(kind):
    part = sealed(kind + bytes(12))
    data = HEADER + BLOCKS[0] + part
    found = rejection(data, partial=False)
    assert (found.code, found.details["reason"]) == ("trace_malformed", "a part of unknown kind")
    assert rows_of(data) == 2


def test_a_trace_has_at_most_one_gibibyte():
    assert MAX_TRACE_BYTES == 1 << 30


def test_an_impossible_input_is_named_by_its_frame():
    rows = WHOLE.rows.copy()
    rows["touch_down"][3] = 2
    found = rejection(HEADER + encode_block(rows) + END, partial=False)
    assert found.details["reason"] == "frame 3 of a block has an impossible input"
