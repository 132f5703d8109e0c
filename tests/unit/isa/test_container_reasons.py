"""What a refused file is told: what was required, what was there, where."""

import pytest

from pbs.contract import Rejected
from pbs.isa import container
from pbs.isa.container import encode
from pbs.isa.program import Constant, Program
from tests.unit.isa.test_container import FULL, MAIN, framed, put, rejection

SIZE = len(encode(MAIN))


@pytest.mark.parametrize(
    ("data", "required", "available", "details"),
    [
        (b"", "PBSX", "nothing", {}),
        (b"Q", "PBSX", "51", {}),
        (b"\x7fELF\x02\x01", "PBSX", "7f454c46", {}),
        (b"P", "20", "1", {"offset": 0}),
        (b"PBSX" + bytes(15), "20", "19", {"offset": 0}),
        (framed(version=2), "1", "2", {}),
        (framed(length=SIZE + 1), str(SIZE + 1), str(SIZE), {}),
        (framed(length=SIZE - 1), str(SIZE - 1), str(SIZE), {}),
        (framed(count=10), None, None, {"sections": 10}),
        (framed(more=b"abc"), str(SIZE), str(SIZE + 3), {}),
        (framed(change=put(7, 0, 9)), None, None, {"kind": 9, "offset": SIZE - 4, "length": 4}),
    ],
)
def test_a_rejection_says_what_is_there_instead(data, required, available, details):
    found = rejection(data)
    assert (found.required, found.available, dict(found.details)) == (required, available, details)


def test_the_largest_file_is_looked_at():
    found = rejection(bytes(container.MAX_FILE_BYTES))
    assert found.code == "program_magic_wrong"
    assert container.MAX_FILE_BYTES == 64 << 20
    too_large = rejection(bytes(container.MAX_FILE_BYTES + 1))
    assert too_large.required == f"at most {64 << 20}"


def test_a_table_that_ends_with_the_file_is_read():
    """No section at all: the header is sound, the first that is missing is named."""
    found = rejection(framed({}))
    assert (found.code, found.subject) == ("section_missing", "constants")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (Program(meta=MAIN.meta, constants=(Constant(1 << 63),)), "FormatFieldError"),
        (Program(meta=MAIN.meta, globals=(1 << 32,)), "FormatFieldError"),
        (Program(meta=MAIN.meta, debug=FULL.debug.__class__(lines=(((1 << 32, 0),),))), "error"),
    ],
)
def test_what_does_not_fit_a_field_says_why(program, reason):
    with pytest.raises(Rejected) as caught:
        encode(program)
    assert caught.value.code == "program_unencodable"
    assert dict(caught.value.diagnostic.details) == {"reason": reason}
