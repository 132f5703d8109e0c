import hashlib
import os
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract import Family, Rejected
from pbs.loader.cartridge import (
    MAX_CARTRIDGE_BYTES,
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    content_digest,
    decode_cartridge,
    encode_cartridge,
    read_directory,
)


def rejection(data):
    with pytest.raises(Rejected) as caught:
        decode_cartridge(data)
    assert caught.value.findings == ()
    assert caught.value.diagnostic.entry.family is Family.MALFORMED
    return caught.value.diagnostic


def u16(*values):
    return struct.pack(f"<{len(values)}H", *values)


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def framed(rows, content, *, magic=b"PBSC", version=1, count=None, length=None):
    """A flat file whose header and table say what they are told to, under a right checksum."""
    table = b"".join(bytes([len(name)]) + name + u32(size, checksum) for name, size, checksum in rows)
    size = 20 + len(table) + len(content) if length is None else length
    before = magic + u16(version, len(rows) if count is None else count) + struct.pack("<Q", size)
    return before + u32(zlib.crc32(before + bytes(4) + table)) + table + content


def sealed(members):
    """A flat file of these members, in the order given, with right sizes and checksums; names may be anything."""
    rows = [(name if isinstance(name, bytes) else name.encode(), len(data), zlib.crc32(data)) for name, data in members]
    return framed(rows, b"".join(data for _, data in members))


@pytest.fixture
def members(parts):
    return dict(sorted(parts.members.items()))


# ---- the format


def test_the_flat_file_is_that_of_the_format(members):
    assert encode_cartridge(members) == sealed(members.items())
    assert encode_cartridge(dict(reversed(members.items()))) == sealed(members.items())


def test_reading_is_the_inverse_of_writing(members):
    cartridge = decode_cartridge(encode_cartridge(members))
    assert dict(cartridge.members) == members
    assert list(cartridge.members) == sorted(members)
    assert cartridge.manifest.id == "probe"


def test_the_digest_is_that_of_the_canonical_content(members):
    content = b""
    for name in ("art/ball.pbi", "manifest.yaml", "program.pbx"):
        content += u32(len(name)) + name.encode() + struct.pack("<Q", len(members[name])) + members[name]
    assert (
        decode_cartridge(encode_cartridge(members)).digest
        == hashlib.sha256(content).digest()
        == content_digest(members)
    )
    assert content_digest(dict(reversed(members.items()))) == content_digest(members)


def test_the_digest_tells_names_and_contents_apart():
    digests = [
        content_digest(m)
        for m in ({}, {"a": b""}, {"ab": b""}, {"a": b"b"}, {"a": b"", "b": b""}, {"b": b""}, {"a": b"\0"})
    ]
    assert len(set(digests)) == len(digests)


def test_both_forms_of_the_same_members_have_one_digest(parts, tmp_path):
    folder = read_directory(parts.write(tmp_path))
    flat = decode_cartridge(parts.flat)
    assert folder.digest == flat.digest
    assert dict(folder.members) == dict(flat.members)
    assert encode_cartridge(folder.members) == parts.flat


def test_a_directory_may_hold_more_which_is_neither_loaded_nor_digested(parts, tmp_path):
    before = read_directory(parts.write(tmp_path)).digest
    for name in ("source.pbasm", "art/unused.pbi", "trace.pbt", ".git", "program.pbx.bak"):
        (tmp_path / name).write_bytes(b"x")
    cartridge = read_directory(tmp_path)
    assert cartridge.digest == before
    assert set(cartridge.members) == set(parts.members)
    (tmp_path / "art/ball.pbi").write_bytes(b"other")
    assert read_directory(tmp_path).digest != before


@pytest.mark.parametrize("name", ["manifest.yaml", "program.pbx", "art/ball.pbi"])
def test_a_directory_without_a_named_member_is_refused(parts, tmp_path, name):
    (parts.write(tmp_path) / name).unlink()
    with pytest.raises(Rejected) as caught:
        read_directory(tmp_path)
    assert (caught.value.code, caught.value.diagnostic.subject) == ("cartridge_member_missing", name)


def test_a_member_below_something_that_is_no_directory_is_missing(parts, tmp_path):
    parts.write(tmp_path)
    (tmp_path / "art/ball.pbi").unlink()
    (tmp_path / "art").rmdir()
    (tmp_path / "art").write_bytes(b"")
    with pytest.raises(Rejected) as caught:
        read_directory(tmp_path)
    assert (caught.value.code, caught.value.diagnostic.subject) == ("cartridge_member_missing", "art/ball.pbi")


def test_a_member_that_is_no_regular_file_is_refused(parts, tmp_path):
    parts.write(tmp_path)
    (tmp_path / "program.pbx").unlink()
    os.mkfifo(tmp_path / "program.pbx")
    with pytest.raises(Rejected) as caught:
        read_directory(tmp_path)
    assert caught.value.code == "file_not_regular"


def test_a_member_beyond_the_limit_is_refused_unread(parts, tmp_path):
    with (parts.write(tmp_path) / "program.pbx").open("wb") as file:
        file.truncate(MAX_MEMBER_BYTES + 1)
    with pytest.raises(Rejected) as caught:
        read_directory(tmp_path)
    assert caught.value.code == "file_too_large"


# ---- damage


def test_a_file_cut_anywhere_is_cut_short(parts):
    data = parts.flat
    for end in range(len(data)):
        assert rejection(data[:end]).code == ("cartridge_truncated" if end else "cartridge_malformed"), end


@pytest.mark.parametrize("more", [b"\0", b"PBSC", bytes(1000)])
def test_a_file_that_goes_on_is_refused(parts, more):
    found = rejection(parts.flat + more)
    assert (found.code, found.details) == ("cartridge_malformed", {"reason": "bytes behind the last member"})


def test_every_flipped_bit_is_noticed(parts):
    data = parts.flat
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            code = rejection(bytes(damaged)).code
            if at < 4:
                assert code == "cartridge_malformed"
            elif at < 6:
                assert code == "cartridge_format_unsupported"
            elif at < 16:
                assert code in ("cartridge_malformed", "cartridge_truncated", "cartridge_checksum_wrong")
            else:
                assert code in ("cartridge_checksum_wrong", "cartridge_malformed")


def test_the_damaged_member_is_named(parts):
    data = parts.flat
    for name, body in parts.members.items():
        damaged = bytearray(data)
        damaged[data.index(body)] ^= 1
        found = rejection(bytes(damaged))
        assert (found.code, found.subject) == ("cartridge_checksum_wrong", name)


# ---- frames


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "cartridge_malformed"), (b"PBSX" + bytes(30), "cartridge_malformed"), (b"PK\x03\x04" + bytes(30),
        "cartridge_malformed"), (bytes(100), "cartridge_malformed"),
        (b"P", "cartridge_truncated"), (b"PBSC" + bytes(15), "cartridge_truncated"), (framed([], b"", version=0),
        "cartridge_format_unsupported"),
        (framed([], b"", version=2), "cartridge_format_unsupported"), (framed([], b"", version=65535),
        "cartridge_format_unsupported"),
        (framed([], b"", length=2**64 - 1), "cartridge_truncated"), (framed([], b"", length=0), "cartridge_malformed"),
        (framed([], b""), "cartridge_member_missing"),
        (framed([], b"x"), "cartridge_malformed"), (framed([], b"", count=1), "cartridge_malformed"), (framed([], b"",
        count=65535), "cartridge_malformed"),
        (framed([], b"", count=MAX_MEMBERS), "cartridge_malformed"), (framed([(b"a", 0, 0)], b"", count=0),
        "cartridge_checksum_wrong"),
    ],
)  # fmt: skip
def test_a_frame_that_does_not_describe_the_file_is_refused(data, code):
    assert rejection(data).code == code


@pytest.mark.parametrize("size", [1, 100, 2**31, 2**32 - 1, MAX_MEMBER_BYTES, MAX_MEMBER_BYTES + 1])
def test_a_declared_length_beyond_the_file_costs_nothing(size):
    data = framed([(b"manifest.yaml", size, 0)], b"")
    tracemalloc.start()
    try:
        found = rejection(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert found.details == {"reason": "a member reaches beyond the end"}


def test_a_member_may_not_reach_into_the_next_nor_leave_a_gap(members):
    rows = [[name.encode(), len(data), zlib.crc32(data)] for name, data in members.items()]
    content = b"".join(members.values())
    for change, code in ((1, "cartridge_checksum_wrong"), (-1, "cartridge_checksum_wrong")):
        shifted = [list(row) for row in rows]
        shifted[0][1] += change
        shifted[1][1] -= change
        assert rejection(framed(shifted, content)).code == code
    short = [list(row) for row in rows]
    last = list(members.values())[-1]
    short[-1][1:] = [len(last) - 1, zlib.crc32(last[:-1])]
    assert rejection(framed(short, content)).details == {"reason": "bytes behind the last member"}


def test_a_file_beyond_the_limit_is_refused_unread():
    assert rejection(bytes(MAX_CARTRIDGE_BYTES + 1)).code == "file_too_large"


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../a", "/a", "a/", "a//b", "a/../b", "a/./b", "./a", "a/b/c", ".hidden", "a/.hidden", "-a", "a/-b",
        "a\\b", "C:a", "a b", "a\n", "a\0", "~", "a*",
        "x" * 65, "a/" + "x" * 65, b"\xff", "é".encode(), b"a\x7f", "\u0430".encode(),
    ],
)  # fmt: skip
def test_a_member_has_a_plain_name_of_at_most_one_folder(members, name):
    named = sorted(
        [
            *((key.encode(), data) for key, data in members.items()),
            (name if isinstance(name, bytes) else name.encode(), b""),
        ]
    )
    assert rejection(sealed(named)).code == "cartridge_malformed"


@pytest.mark.parametrize(
    "name", ["a", "9", "_a-b.c", "a/b", "A/B.c-d_e", "x" * 64, "x" * 64 + "/" + "y" * 64, "a..b", "a./b."]
)
def test_a_plain_name_is_only_unknown(members, name):
    found = rejection(encode_cartridge(members | {name: b""}))
    assert (found.code, found.subject) == ("cartridge_member_unknown", name)


def test_members_stand_once_and_in_the_order_of_their_names(members):
    rows = list(members.items())
    assert sealed(rows) == encode_cartridge(members)
    for wrong in (
        [rows[1], rows[0], rows[2]],
        [rows[0], rows[2], rows[1]],
        [*rows, rows[2]],
        [rows[0], rows[0], *rows[1:]],
    ):
        assert rejection(sealed(wrong)).details == {"reason": "member names are wrong or out of order"}


@pytest.mark.parametrize("name", ["manifest.yaml", "program.pbx", "art/ball.pbi"])
def test_a_missing_member_is_named(members, name):
    del members[name]
    found = rejection(encode_cartridge(members))
    assert (found.code, found.subject) == ("cartridge_member_missing", name)


def test_a_member_that_the_manifest_does_not_name_is_refused(members):
    found = rejection(encode_cartridge(members | {"zz": b"", "art/more.pbi": b""}))
    assert (found.code, found.subject) == ("cartridge_member_unknown", "art/more.pbi")


def test_a_manifest_that_cannot_be_read_is_refused_before_its_members_are_counted(members):
    assert rejection(encode_cartridge(members | {"manifest.yaml": b"a: ~", "zz": b""})).code == "manifest_invalid"
    assert rejection(encode_cartridge({"manifest.yaml": b"a: ~"})).code == "manifest_invalid"


def test_there_are_so_many_members_and_no_more():
    many = {f"m{i:03}": b"" for i in range(MAX_MEMBERS)}
    assert rejection(encode_cartridge(many)).code == "cartridge_member_missing"
    assert rejection(encode_cartridge(many | {"n": b""})).details == {"reason": "too many members"}


# ---- whatever comes


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_code(data):
    rejection(data)
    rejection(b"PBSC\1\0" + data)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.binary(max_size=12) | st.sampled_from([b"manifest.yaml", b"program.pbx"]), st.binary(max_size=12)),
        max_size=4,
    )
)
def test_any_members_are_refused_with_a_code(members):
    rejection(sealed(members))
