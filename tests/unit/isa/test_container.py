import math
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs import bench
from pbs.contract import Family, Rejected
from pbs.isa import container
from pbs.isa.assembler import assemble
from pbs.isa.container import (
    CODE,
    CONSTANTS,
    DEBUG,
    EXPORTS,
    FUNCTIONS,
    GLOBALS,
    IMPORTS,
    META,
    REQUIRED,
    SECTION_NAMES,
    TYPES,
    assemble_file,
    decode,
    decode_debug,
    encode,
    encode_debug,
)
from pbs.isa.program import MAX_CODE_BYTES, Constant, Debug, Export, Function, Import, Meta, Program
from pbs.isa.types import ArrayType, CoroutineType, FunctionType, RecordType
from tests.support.programs import random_program

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=300)
CANONICAL_NAN = bytes.fromhex("000000000000f87f")

# One of everything. The tables do not need to fit together to be written and read.
FULL = Program(
    meta=Meta(isa="1.0.0", runtime_min="1.2.0", runtime_max="1.9.0", profile="game", profile_version="1.0.1",
    toolchain="hand 1"),
    constants=(Constant(-5), Constant(2.5), Constant(b"h\xffi"), Constant(math.nan), Constant(b"")),
    types=(ArrayType(4), RecordType((0, 1, 16)), FunctionType((0, 17), (2,)), CoroutineType(), FunctionType((), ()),
    RecordType(())),
    globals=(0, 2, 17),
    functions=(
        Function(signature=4, captures=None, locals=(), max_stack=0, code=b"\x01\x00"),
        Function(signature=2, captures=(), locals=(1, 16), max_stack=3, code=b""),
        Function(signature=4, captures=(0, 18), locals=(), max_stack=1024, code=b"\x05\x00\x00\x00\x51\x00"),
    ),
    exports=(Export(name="go", function=0), Export(name="_x.1", function=7)),
    imports=(Import(module="a.b", name="c", version=65535, params=(0, 16), results=()), Import(module="m", name="n",
    version=0, params=(), results=(1,))),
    debug=Debug(
        source="game é.pbasm",
        functions=("main", "", "c"),
        types=("bytes", "r"),
        fields=((), ("x", "y", "z")),
        globals=("g",),
        constants=("k", "", "", "k"),
        locals=((), ("p", "q"), ("self",)),
        lines=(((0, 1),), (), ((0, 7), (2, 4), (4_000_000_000, 0))),
    ),
)  # fmt: skip
MAIN = assemble(".strip\n.func main()\n    HALT\n.end\n")


def rejection(data):
    with pytest.raises(Rejected) as caught:
        decode(data)
    assert caught.value.findings == ()
    assert caught.value.diagnostic.entry.family is Family.MALFORMED
    return caught.value.diagnostic


def bodies(program):
    """The sections of a program, by kind."""
    data = encode(program)
    found = {}
    for i in range(struct.unpack_from("<I", data, 12)[0]):
        kind, offset, length, _ = struct.unpack_from("<IIII", data, 20 + 16 * i)
        found[kind] = data[offset : offset + length]
    return found


def sealed(**changes):
    """A small program's file with some sections replaced (None: left out) and every checksum right."""
    sections = bodies(MAIN) | {SECTION_NAMES.index(name): body for name, body in changes.items()}
    return assemble_file({kind: body for kind, body in sections.items() if body is not None})


def malformed(section, body, **others):
    """The reason why a section's body is refused in a file that is sound otherwise."""
    found = rejection(sealed(**others, **{section: body}))
    assert (found.code, found.subject) == ("section_malformed", section)
    return found.details.get("reason", "")


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def name(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def u16(*values):
    return struct.pack(f"<{len(values)}H", *values)


def slots(*types):
    return u16(len(types)) + u32(*types)


def function(signature=0, at=0, length=2, max_stack=0, is_closure=0, captures=(), locals_=()):
    return u32(signature, at, length) + u16(max_stack) + bytes([is_closure]) + slots(*captures) + slots(*locals_)


# ---- the format, written out by hand


HAND_MADE = {
    CONSTANTS: u32(5)
    + b"\0" + struct.pack("<q", -5) + b"\1" + struct.pack("<d",
    2.5) + b"\2" + u32(3) + b"h\xffi" + b"\1" + CANONICAL_NAN + b"\2" + u32(0),
    FUNCTIONS: u32(3)
    + function(4, 0, 2) + function(2, 2, 0, 3, 1, (), (1, 16)) + function(4, 2, 6, 1024, 1, (0, 18)),
    CODE: bytes.fromhex("0100050000005100"),
    DEBUG: u16(13) + "game é.pbasm".encode()
    + u32(3) + name("main") + name("") + name("c") + u32(2) + name("bytes") + name("r")
    + u32(2) + u16(0) + u16(3) + name("x") + name("y") + name("z")
    + u32(1) + name("g") + u32(4) + name("k") + name("") + name("") + name("k")
    + u32(3) + u16(0) + u16(2) + name("p") + name("q") + u16(1) + name("self")
    + u32(3) + u32(8, 0, 1) + u32(0) + u32(24, 0, 7, 2, 4, 4_000_000_000, 0),
    EXPORTS: u32(2) + name("go") + u32(0) + name("_x.1") + u32(7),
    IMPORTS: u32(2) + name("a.b") + name("c") + u16(65535) + b"\2" + u32(0, 16) + b"\0"
    + name("m") + name("n") + u16(0) + b"\0" + b"\1" + u32(1),
    TYPES: u32(6) + b"\0" + u32(4) + b"\1" + slots(0, 1, 16) + b"\2\2" + u32(0, 17) + b"\1"
    + u32(2) + b"\3" + b"\2\0\0" + b"\1" + u16(0),
    META: name("1.0.0") + name("1.2.0") + name("1.9.0") + name("game") + name("1.0.1") + name("hand 1"),
    GLOBALS: u32(3) + u32(0, 2, 17),
}  # fmt: skip


def test_the_sections_are_those_of_the_format():
    assert bodies(FULL) == HAND_MADE


def test_header_and_table_are_those_of_the_format():
    data = encode(FULL)
    table, at = b"", 20 + 9 * 16
    for kind in range(9):
        table += u32(kind, at, len(HAND_MADE[kind]), zlib.crc32(HAND_MADE[kind]))
        at += len(HAND_MADE[kind])
    before = b"PBSX" + u16(1, 0) + u32(at, 9)
    assert data == before + u32(zlib.crc32(before + bytes(4) + table)) + table + b"".join(
        HAND_MADE[kind] for kind in range(9)
    )


def same(a, b):
    """Whether two programs are equal where NaN equals NaN."""
    return repr(a) == repr(b)


@pytest.mark.parametrize("program", [FULL, replace(FULL, debug=None), MAIN, replace(FULL, debug=Debug())], ids=range(4))
def test_reading_is_the_inverse_of_writing(program):
    data = encode(program)
    assert same(decode(data), program)
    assert encode(decode(data)) == data


@pytest.mark.parametrize("seed", range(25))
def test_reading_is_the_inverse_of_writing_for_random_programs(seed):
    program = random_program(Random(seed), size=30)
    data = encode(program)
    assert same(decode(data), program)
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    "path", sorted((Path(bench.__file__).parent / "kernels").glob("*.pbasm")), ids=lambda path: path.stem
)
def test_reading_is_the_inverse_of_writing_for_assembled_programs(path):
    program = assemble(path.read_text(), path.name)
    assert decode(encode(program)) == program


def test_the_end_of_the_runtime_range_may_be_open():
    program = replace(FULL, meta=replace(FULL.meta, runtime_max=None))
    assert decode(encode(program)).meta.runtime_max is None


def test_the_debug_section_has_its_own_reader_and_writer():
    assert encode_debug(FULL.debug) == HAND_MADE[DEBUG]
    assert decode_debug(HAND_MADE[DEBUG]) == FULL.debug
    with pytest.raises(Rejected, match="section_malformed"):
        decode_debug(HAND_MADE[DEBUG][:-1])


# ---- damage


SAMPLES = {
    "full": encode(FULL),
    "main": encode(MAIN),
    "fib": encode(assemble((Path(bench.__file__).parent / "kernels/fib.pbasm").read_text(), "fib.pbasm")),
    "random": encode(random_program(Random(3), size=4)),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_file_cut_anywhere_is_cut_short(sample):
    data = SAMPLES[sample]
    for end in range(len(data)):
        found = rejection(data[:end])
        assert found.code == ("program_truncated" if end else "program_magic_wrong"), end


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("more", [b"\0", b"PBSX", bytes(100)])
def test_a_file_that_goes_on_is_refused(sample, more):
    assert rejection(SAMPLES[sample] + more).code == "program_trailing_bytes"


@pytest.mark.parametrize("sample", ["full", "main", "fib"])
def test_every_flipped_bit_is_noticed(sample):
    data = SAMPLES[sample]
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            code = rejection(bytes(damaged)).code
            if at < 4:
                assert code == "program_magic_wrong"
            elif at < 6:
                assert code == "program_format_unsupported"
            elif 8 <= at < 12:
                assert code in ("program_truncated", "program_trailing_bytes")
            elif 12 <= at < 16:
                assert code in ("section_table_invalid", "program_checksum_wrong")
            else:
                assert code == "program_checksum_wrong"


@pytest.mark.parametrize("kind", range(9))
def test_the_damaged_section_is_named(kind):
    data = bytearray(SAMPLES["full"])
    offset = struct.unpack_from("<I", data, 20 + 16 * kind + 4)[0]
    data[offset] ^= 1
    assert rejection(bytes(data)).subject == SECTION_NAMES[kind]


def test_the_damaged_header_is_named():
    data = bytearray(SAMPLES["full"])
    data[25] ^= 1
    assert rejection(bytes(data)).subject == "header"


# ---- frames: header and table


SECTIONS = bodies(MAIN)


def framed(
    sections=SECTIONS, *, magic=b"PBSX", version=1, flags=0, count=None, length=None, change=lambda rows: None, more=b""
):
    """A file whose header and table say what they are told to, under a right checksum."""
    rows, at = [], 20 + 16 * len(sections)
    for kind, body in sections.items():
        rows.append([kind, at, len(body), zlib.crc32(body)])
        at += len(body)
    change(rows)
    table = b"".join(u32(*row) for row in rows)
    size = at + len(more)
    before = (
        magic + u16(version, flags) + u32(size if length is None else length, len(rows) if count is None else count)
    )
    checksum = zlib.crc32(before + bytes(4) + table)
    return before + u32(checksum) + table + b"".join(sections.values()) + more


def shifted(by):
    def change(rows):
        for row in rows:
            row[1] += by

    return change


def put(row, column, value):
    def change(rows):
        rows[row][column] = value

    return change


def swapped(rows):
    rows[0], rows[1] = rows[1], rows[0]


def test_the_frame_of_these_tests_is_sound():
    assert framed() == encode(MAIN)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "program_magic_wrong"), (b"Q", "program_magic_wrong"), (b"PBSC" + bytes(40), "program_magic_wrong"),
        (b"\x7fELF", "program_magic_wrong"), (bytes(100), "program_magic_wrong"), (framed(magic=b"PBSx"),
        "program_magic_wrong"),
        (b"P", "program_truncated"), (b"PBSX", "program_truncated"), (b"PBSX" + bytes(15), "program_truncated"),
        (framed(version=0), "program_format_unsupported"), (framed(version=2), "program_format_unsupported"),
        (framed(version=65535), "program_format_unsupported"), (framed(length=0), "program_trailing_bytes"),
        (framed(length=2**32 - 1), "program_truncated"), (framed(flags=1), "program_checksum_wrong"), (framed(flags=0x8000),
        "program_checksum_wrong"),
        (framed(count=10), "section_table_invalid"), (framed(count=2**32 - 1), "section_table_invalid"), (framed(count=7),
        "program_checksum_wrong"),
        (framed(count=2**28 + 8), "section_table_invalid"), (framed({}), "section_missing"),
        (framed({0: b""}, count=9), "section_table_invalid"),
        (framed(change=put(7, 0, 9)), "section_table_invalid"), (framed(change=put(7, 0, 2**32 - 1)), "section_table_invalid"),
        (framed(change=put(1, 0, 0)), "section_table_invalid"), (framed(change=swapped), "section_table_invalid"),
        (framed(change=shifted(1)), "section_table_invalid"), (framed(change=shifted(-1)), "section_table_invalid"),
        (framed(change=put(1, 1, 0)), "section_table_invalid"), (framed(change=put(3, 1, 2**32 - 1)), "section_table_invalid"),
        (framed(change=put(0, 2, 5)), "program_checksum_wrong"), (framed(change=put(0, 2, 2**32 - 1)), "section_table_invalid"),
        (framed(change=put(7, 2, 5)), "section_table_invalid"), (framed(change=put(7, 2, 3)), "program_checksum_wrong"),
        (framed(change=put(4, 3, 0)), "program_checksum_wrong"),
        (framed(more=b"\0"), "program_trailing_bytes"), (framed(more=bytes(1000)), "program_trailing_bytes"),
        (framed({**SECTIONS, 3: b""}), "section_table_invalid"),  # all there, but out of order
    ],
)  # fmt: skip
def test_a_frame_that_does_not_describe_the_file_is_refused(data, code):
    assert rejection(data).code == code


@pytest.mark.parametrize("kind", REQUIRED)
def test_a_required_section_must_be_there_even_when_empty(kind):
    found = rejection(sealed(**{SECTION_NAMES[kind]: None}))
    assert (found.code, found.subject) == ("section_missing", SECTION_NAMES[kind])


def test_only_the_debug_section_may_be_left_out():
    assert {SECTION_NAMES[kind] for kind in range(9)} - {SECTION_NAMES[kind] for kind in REQUIRED} == {"debug"}
    assert decode(sealed()).debug is None


def test_a_file_beyond_the_limit_is_refused_unread():
    found = rejection(bytes(container.MAX_FILE_BYTES + 1))
    assert (found.code, found.available) == ("file_too_large", str(container.MAX_FILE_BYTES + 1))


# ---- sections


@pytest.mark.parametrize(
    "section", ["constants", "functions", "exports", "imports", "types", "globals", "meta", "debug"]
)
def test_a_section_may_not_end_early_or_late(section):
    body = HAND_MADE[SECTION_NAMES.index(section)]
    others = {"code": HAND_MADE[CODE]} if section == "functions" else {}
    decode(sealed(**others, **{section: body}))
    for end in range(len(body)):
        malformed(section, body[:end], **others)
    assert malformed(section, body + b"\0", **others) == "it goes on behind its last row"


@pytest.mark.parametrize("section", ["constants", "functions", "exports", "imports", "types", "globals", "debug"])
@pytest.mark.parametrize("count", [2**32 - 1, 2**31, 1 << 24, 100_000])
def test_a_count_that_the_bytes_cannot_hold_costs_nothing(section, count):
    body = (u16(0) if section == "debug" else b"") + u32(count) + bytes(50)
    data = sealed(**{section: body})
    tracemalloc.start()
    try:
        rejection(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("section", "body"),
    [
        ("constants", u32(1) + b"\2" + u32(2**32 - 1)), ("constants", u32(1) + b"\2" + u32(2**31) + b"abc"),
        ("functions", u32(1) + u32(0, 0, 2) + u16(0) + b"\1" + u16(65535)), ("functions",
        u32(1) + u32(0, 0, 2) + u16(0) + b"\0" + u16(0) + u16(65535)),
        ("types", u32(1) + b"\1" + u16(65535)), ("types", u32(1) + b"\2\xff"), ("types", u32(1) + b"\2\0\xff"),
        ("imports", u32(1) + name("a") + name("b") + u16(1) + b"\xff"), ("imports", u32(1) + b"\xff"), ("exports",
        u32(1) + b"\xffabc"), ("meta", b"\xff"),
        ("debug", u16(65535)), ("debug", u16(0) + u32(0, 0, 1) + u16(65535)), ("debug",
        u16(0) + u32(0, 0, 0, 0, 0, 0, 1, 2**32 - 8)),
    ],
)  # fmt: skip
def test_a_length_beyond_the_section_is_refused(section, body):
    malformed(section, body)


@pytest.mark.parametrize(
    ("section", "row"),
    [("constants", b"\3" + bytes(8)), ("constants", b"\xff"), ("types", b"\4"), ("types", b"\xff" + bytes(4))],
)
def test_an_unknown_tag_is_refused(section, row):
    malformed(section, u32(1) + row)


@pytest.mark.parametrize(
    "bits",
    [
        "0100000000 00f87f",
        "000000000000f8ff",
        "000000000000f47f",
        "010000000000f07f",
        "ffffffffffffff7f",
        "010000000000f0ff",
    ],
)
def test_there_is_one_nan_and_no_other(bits):
    assert malformed("constants", u32(1) + b"\1" + bytes.fromhex(bits)) == "a NaN with other bits than the one NaN"


@pytest.mark.parametrize(
    "bits",
    [
        "000000000000f87f",
        "000000000000f07f",
        "000000000000f0ff",
        "0000000000000080",
        "0100000000000000",
        "ffffffffffffef7f",
    ],
)
def test_every_other_float_is_kept_bit_for_bit(bits):
    data = sealed(constants=u32(1) + b"\1" + bytes.fromhex(bits))
    assert struct.pack("<d", decode(data).constants[0].value).hex() == bits
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([function(at=1)], "code ranges do not follow one another"), ([function(at=2**32 - 1)],
        "code ranges do not follow one another"),
        ([function(length=3)], "code ranges do not follow one another"), ([function(length=2**32 - 1)],
        "code ranges do not follow one another"),
        ([function(), function(at=0)], "code ranges do not follow one another"), ([function(length=1),
        function(at=0, length=2)], "code ranges do not follow one another"),
        ([function(length=1), function(at=2, length=0)], "code ranges do not follow one another"), ([function(),
        function(at=2, length=1)], "code ranges do not follow one another"),
        ([], "code that belongs to no function"), ([function(length=0)], "code that belongs to no function"),
        ([function(length=1)], "code that belongs to no function"),
        ([function(is_closure=2)], "a function that is half a closure"), ([function(is_closure=255)],
        "a function that is half a closure"),
        ([function(captures=(0,))], "a function that is half a closure"), ([function(is_closure=2, captures=(0,))],
        "a function that is half a closure"),
    ],
)  # fmt: skip
def test_functions_share_out_the_code_without_rest(rows, reason):
    assert malformed("functions", u32(len(rows)) + b"".join(rows), code=b"\x01\x00") == reason


def test_a_function_may_have_so_much_code_and_no_more():
    assert MAX_CODE_BYTES == 1 << 24
    code = bytes(MAX_CODE_BYTES + 2)
    two = u32(2) + function(length=MAX_CODE_BYTES) + function(at=MAX_CODE_BYTES, length=2)
    assert [len(f.code) for f in decode(sealed(functions=two, code=code)).functions] == [MAX_CODE_BYTES, 2]
    one = u32(1) + function(length=MAX_CODE_BYTES + 2)
    assert malformed("functions", one, code=code) == "code ranges do not follow one another"


BAD_NAMES = ["1a", "a b", "a-b", ".a", "a/1", "é", "a\n", "\na", "a\0", "a\x7f", "\u0430", "a\u0301", "a:"]
GOOD_NAMES = ["a", "_", "A9", "a.b", "a..", "x" * 255, "inf", "nan.x", "self"]


@pytest.mark.parametrize("bad", [*BAD_NAMES, "", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"])
def test_what_is_exported_and_imported_has_an_identifier(bad):
    malformed("exports", u32(1) + name(bad) + u32(0))
    malformed("imports", u32(1) + name(bad) + name("b") + u16(1) + b"\0\0")
    malformed("imports", u32(1) + name("a") + name(bad) + u16(1) + b"\0\0")


@pytest.mark.parametrize("good", GOOD_NAMES)
def test_identifiers_are_names(good):
    assert decode(sealed(exports=u32(1) + name(good) + u32(0))).exports == (Export(name=good, function=0),)
    assert decode(sealed(imports=u32(1) + name(good) + name("b") + u16(1) + b"\0\0")).imports[0].module == good


def test_no_two_imports_can_spell_one_identity():
    assert malformed("imports", u32(1) + name("a") + name("b.c") + u16(1) + b"\0\0") == "a service name with a dot"
    (row,) = decode(sealed(imports=u32(1) + name("a.b") + name("c") + u16(1) + b"\0\0")).imports
    assert row.identity == "a.b.c/1"


@pytest.mark.parametrize("field", range(6))
@pytest.mark.parametrize("text", ["é", "a\n", "\0", "\x7f", "\x1b[0m", b"\xff"])
def test_what_a_program_is_made_for_is_printable_ascii(field, text):
    texts = [name("x")] * 6
    texts[field] = name(text)
    malformed("meta", b"".join(texts))


def test_what_a_program_is_made_for_may_be_empty_or_long():
    texts = [name(""), name("a b ~"), name("x" * 255), name("'"), name("\\"), name('"')]
    meta = decode(sealed(meta=b"".join(texts))).meta
    assert meta == Meta(
        isa="", runtime_min="a b ~", runtime_max="x" * 255, profile="'", profile_version="\\", toolchain='"'
    )


def debug(source=b"", functions=(), lines=()):
    out = (
        u16(len(source))
        + source
        + u32(len(functions))
        + b"".join(name(text) for text in functions)
        + u32(0, 0, 0, 0, 0)
    )
    return out + u32(len(lines)) + b"".join(u32(len(body)) + body for body in lines)


@pytest.mark.parametrize("source", [b"\n", b"a\x1b", b"\xff", "\u2028".encode(), b"a\0b", b"\x7f", "\u202e".encode()])
def test_the_name_of_the_source_is_printable(source):
    malformed("debug", debug(source))


@pytest.mark.parametrize("bad", [*BAD_NAMES, b"\xff"])
def test_debug_names_are_identifiers_or_nothing(bad):
    malformed("debug", debug(functions=["ok", "", bad]))
    assert decode(sealed(debug=debug(functions=["ok", "", "ok"]))).debug.functions == ("ok", "", "ok")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (bytes(1), "source lines cut short"), (bytes(7), "source lines cut short"), (bytes(12), "source lines cut short"),
        (u32(0, 1, 0, 2), "source lines out of order"), (u32(4, 1, 2, 2), "source lines out of order"),
        (u32(0, 1, 6, 2, 6, 3), "source lines out of order"), (u32(2**32 - 1, 1, 0, 1), "source lines out of order"),
    ],
)  # fmt: skip
def test_source_lines_are_pairs_by_rising_pc(lines, reason):
    assert malformed("debug", debug(lines=[u32(0, 1), lines])) == reason
    assert decode(sealed(debug=debug(lines=[u32(3, 9, 7, 9, 8, 0), b""]))).debug.lines == (((3, 9), (7, 9), (8, 0)), ())


# ---- whatever comes


def total(data):
    """Whatever the bytes, a program that they spell exactly, or one coded rejection."""
    try:
        program = decode(data)
    except Rejected as rejected:
        found = rejected
    else:
        assert encode(program) == data
        return
    assert found.diagnostic.entry.family is Family.MALFORMED


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_bytes_give_a_program_or_a_rejection(data):
    total(data)
    total(b"PBSX\1\0\0\0" + data)


@EXAMPLES
@given(st.dictionaries(st.integers(0, 8), st.binary(max_size=40)))
def test_any_sections_give_a_program_or_a_rejection(sections):
    total(assemble_file(SECTIONS | sections))


@st.composite
def mutations(draw):
    """A sound file after a change within one section."""
    sections = dict(draw(st.sampled_from([HAND_MADE, SECTIONS, bodies(random_program(Random(5), size=6))])))
    kind = draw(st.sampled_from(sorted(sections)))
    body = bytearray(sections[kind])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        new = draw(st.binary(max_size=4) | st.sampled_from([u32(2**32 - 1), u32(0), u16(65535), b"\1", u32(1)]))
        body[at : at + draw(st.sampled_from([0, 1, len(new)]))] = new
    sections[kind] = bytes(body)
    return assemble_file(sections)


@settings(EXAMPLES, max_examples=500)
@given(mutations())
def test_a_changed_section_under_a_right_checksum_gives_a_program_or_a_rejection(data):
    total(data)


def test_every_byte_of_every_section_may_be_anything():
    for kind, body in HAND_MADE.items():
        for at in range(len(body)):
            for value in (0, 2, 0xFF):
                total(assemble_file(HAND_MADE | {kind: body[:at] + bytes([value]) + body[at + 1 :]}))


# ---- what does not fit the format


LONG = "x" * 256


@pytest.mark.parametrize(
    "change",
    [
        {"constants": (Constant(2**63),)}, {"constants": (Constant(-(2**63) - 1),)}, {"exports": (Export(name=LONG, function=0),)},
        {"exports": (Export(name="a", function=2**32),)}, {"exports": (Export(name="a", function=-1),)},
        {"imports": (Import(module="a", name="b", version=65536, params=(), results=()),)},
        {"imports": (Import(module="a", name="b", version=1, params=(0,) * 256, results=()),)},
        {"imports": (Import(module=LONG, name="b", version=1, params=(), results=()),)},
        {"types": (FunctionType((0,) * 256, ()),)}, {"types": (FunctionType((),
        (0,) * 256),)}, {"types": (RecordType((0,) * 65536),)},
        {"types": (ArrayType(2**32),)}, {"globals": (-1,)}, {"meta": replace(FULL.meta, toolchain=LONG)},
        {"functions": (Function(signature=0, captures=None, locals=(), max_stack=65536, code=b""),)},
        {"functions": (Function(signature=0, captures=None, locals=(0,) * 65536, max_stack=0, code=b""),)},
        {"debug": Debug(functions=(LONG,))}, {"debug": Debug(source="x" * 65536)}, {"debug": Debug(source="half \ud800")},
        {"debug": Debug(locals=(("a",) * 65536,))},
    ],
)  # fmt: skip
def test_a_program_that_its_format_cannot_hold_is_not_written(change):
    with pytest.raises(Rejected) as caught:
        encode(replace(FULL, **change))
    assert caught.value.code == "program_unencodable"


@pytest.mark.parametrize("lines", [((2**32, 1),), ((0, -1),)])
def test_a_source_line_that_its_format_cannot_hold_is_not_written(lines):
    with pytest.raises(Rejected) as caught:
        encode_debug(Debug(lines=(lines,)))
    assert caught.value.code == "program_unencodable"
