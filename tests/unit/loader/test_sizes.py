"""Sizes at which loading says no, as docs/formats.md gives them."""

from dataclasses import replace

import pytest

from pbs.contract import Rejected
from pbs.contract.limits import PROFILES
from pbs.loader import assemble, cartridge, load

TEXTS = ("x", "12345678", "123456789", "a" * 70)  # 1, 1, 2 and 9 words
SOURCE = "".join(f'.const T{i} = "{text}"\n' for i, text in enumerate(TEXTS)) + ".type bytes = array byte\n"
SOURCE += ".func main()\n    HALT\n.end\n"


def test_files_and_members_have_the_sizes_of_the_format():
    assert cartridge.MAX_CARTRIDGE_BYTES == 256 << 20
    assert cartridge.MAX_MEMBER_BYTES == 64 << 20


def test_string_constants_must_fit_into_the_heap_to_the_word():
    limits = replace(PROFILES["JAM"], gc_threshold_words=1)
    load(assemble(SOURCE), limits=replace(limits, heap_words=13))
    with pytest.raises(Rejected) as caught:
        load(assemble(SOURCE), limits=replace(limits, heap_words=12))
    found = caught.value.findings[0] if caught.value.findings else caught.value.diagnostic
    assert (found.code, found.required, found.available) == ("constants_exceed_heap", "13", "12")


def test_string_constants_must_fit_into_the_table_of_objects():
    load(assemble(SOURCE), limits=replace(PROFILES["JAM"], objects=4))
    with pytest.raises(Rejected, match="constants_exceed_heap"):
        load(assemble(SOURCE), limits=replace(PROFILES["JAM"], objects=3))
