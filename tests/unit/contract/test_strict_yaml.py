import json
import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbs.contract.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, YamlProblem, parse

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=400)


def refusal(text, **bounds):
    with pytest.raises(YamlProblem) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), **bounds)
    return caught.value


def typed(value):
    """The value with the type of every part, so that 1, 1.0 and true are three things and -0.0 is not 0.0."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    return [typed(part) for part in value] if isinstance(value, list) else (type(value).__name__, repr(value))


# ---- what is read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("null", None),
        ("0", 0), ("-0", 0), ("7", 7), ("-12", -12), ("9999999999999999999", 9999999999999999999),
        ("1.5", 1.5), ("1.10", 1.1), ("-0.0", -0.0), ("1e3", 1000.0), ("1E+3", 1000.0), ("25e-1", 2.5), ("0.1", 0.1),
        ("word", "word"), ("two words", "two words"), ("a:b", "a:b"), ("-a", "-a"), ("v1", "v1"), ("=", "="),
        ("gfx@1.0", "gfx@1.0"), ("yesterday", "yesterday"), ("nob", "nob"), ("..", ".."), ("٣", "٣"),
        ("'010'", "010"), ('"no"', "no"), ("'1.10'", "1.10"), ("''", ""), ('"a\\tb\\u00e9"', "a\tbé"), ("|\n  no\n", "no\n"),
        ("[]", []), ("{}", {}), ("[1, [2], {a: 3}]", [1, [2], {"a": 3}]), ("- 1\n- - 2\n  - 3\n", [1, [2, 3]]),
        ("a: 1\nb:\n  c: [x, z]\n", {"a": 1, "b": {"c": ["x", "z"]}}), ("? a\n: 1", {"a": 1}), ("'1': 2", {"1": 2}),
        ("--- 1", 1), ("--- 1\n...\n", 1), ("# before\na: 1 # behind\n", {"a": 1}), ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ('{"a":1,"b":[true,null]}', {"a": 1, "b": [True, None]}),
    ],
)  # fmt: skip
def test_a_plain_value_is_what_json_would_make_of_it(text, value):
    assert typed(parse(text.encode())) == typed(value)


# ---- what is refused, and where


@pytest.mark.parametrize(
    "word",
    [
        "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "y", "Y", "n", "N", "True", "TRUE", "False",
        "FALSE",
        "Null", "NULL", "~", ".inf", "-.inf", ".Inf", ".INF", "+.inf", ".nan", ".NaN", ".NAN",
        "010", "0777", "0o17", "0x1F", "0X1f", "0b101", "1_000", "12:30:00", "190:20:30", "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "1.0.0", "+1", "+1.5", ".5", "-.5", "5.", "1e", "1.e5", "00", "-01", "99999999999999999999",
        "1.123456789012345678901", "1e9999", "3d",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("before", "behind", "column"), [("", "", 1), ("key: ", "", 6), ("[", "]", 2), ("{a: ", "}", 5)]
)
def test_a_plain_word_that_readers_take_differently_is_refused(word, before, behind, column):
    problem = refusal(before + word + behind)
    assert "could mean several things" in problem.reason or "beyond every float" in problem.reason
    assert (problem.line, problem.column) == (1, column)
    assert parse(f"{before}'{word}'{behind}".encode()) is not None  # in quotes it is text


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("a: &x 1", "anchors", 1, 4), ("&x [1]", "anchors", 1, 1), ("&x {a: 1}", "anchors", 1, 1), ("a: &x", "anchors", 1, 4),
        ("- &x 1\n- *x", "anchors", 1, 3), ("- 1\n- *x", "aliases", 2, 3), ("*x : 1", "aliases", 1, 1),
        ("!!str 1", "tags", 1, 1), ("! 1", "tags", 1, 1), ("!", "tags", 1, 1), ("a: !mine [1]", "tags", 1, 4),
        ("- !<tag:yaml.org,2002:str> x", "tags", 1, 3), ("!!python/object/apply:os.system ['true']", "tags", 1, 1),
        ("!!map {}", "tags", 1, 1),
        ("<<: {a: 1}", "merge keys", 1, 1), ("a: 1\n<<: 2", "merge keys", 2, 1), ("'<<': 1", "merge keys", 1, 1),
        ("a: 1\na: 2", "twice", 2, 1), ("{a: 1, 'a': 2}", "twice", 1, 8), ("b:\n  x: 1\n  y : 2\n  x: 3", "could mean", 3, 3),
        ("b:\n  x: 1\n  z: 2\n  x: 3", "twice", 4, 3), ('"\\u0061": 1\na: 2', "twice", 2, 1),
        ("--- 1\n--- 2", "one document", 2, 1), ("1\n...\n---\n2", "one document", 3, 1), ("---\n1\n---\n", "one document",
        3, 1),
        ("%YAML 1.1\n--- 1", "directives", 1, 1), ("%YAML 1.2\n--- 1", "directives", 1, 1), ("%TAG ! tag:x,2000:\n--- 1",
        "directives", 1, 1),
        ("%MINE x\n--- 1", "directives", 1, 1), ("# so\n%MINE\n--- 1", "directives", 2, 1),
        ("%YAML " + "1" * 5000 + ".1\n--- 1", "directives", 1, 1),  # more digits than Python turns into an int
        ("1: a", "key must be", 1, 1), ("true: a", "key must be", 1, 1), ("null: a", "key must be", 1, 1), ("1.5: a",
        "key must be", 1, 1),
        ("[a]: b", "key must be", 1, 1), ("? {a: 1}\n: b", "key must be", 1, 3),
        ("a:", "empty value", 1, 3), ("a: \nb: 1", "empty value", 1, 3), ("- ", "empty value", 1, 2), ("{a}", "empty value",
        1, 3), ("---", "empty value", 1, 4),
        ('"\\uD800"', "surrogate", 1, 1), ('"\\ud83d\\ude00"', "surrogate", 1, 1), ("'a': \"\\udc00\"", "surrogate", 1, 6),
        ("\t1", "cannot start any token", 1, 1), ("a: 1\n\tb: 2", "cannot start any token", 2, 1), ("a: @b",
        "cannot start any token", 1, 4),
        ("[1, 2", "expected", 1, 6), ("{a: 1]", "expected", 1, 6), ('"abc', "unexpected end", 1, 5), ("a: b: c",
        "not allowed here", 1, 5),
        ("", "empty", 0, 0), ("# nothing\n", "empty", 0, 0), ("\n \n", "empty", 0, 0),
        ("\ufeff1", "byte order mark", 0, 0), ("\ufeffa: 1", "byte order mark", 0, 0),
        ("a\0b", "does not allow", 0, 0), ("a\x07b", "does not allow", 0, 0), ("a\x7fb", "does not allow", 0, 0), ("\ufffe",
        "does not allow", 0, 0),
        ('"\\UFFFFFFFF"', "stands for no character", 0, 0), ('"\\U00110000"', "stands for no character", 0, 0),
        ("a: 1 # x\u2028b: 2", "line break", 0, 0), ('"a\x85b"', "line break", 0, 0), ("a\u2029b", "line break", 0, 0),
        (b"\xff\xfe1\0", "not UTF-8 at byte 0", 0, 0), (b"a: '\xe9'", "not UTF-8 at byte 4", 0, 0), (b"\xed\xa0\x80",
        "not UTF-8", 0, 0),
        (b"a\xc0\xafb", "not UTF-8 at byte 1", 0, 0), (b"\0\0\0a", "does not allow", 0, 0),
    ],
)  # fmt: skip
def test_what_is_outside_of_the_subset_is_refused_where_it_stands(text, reason, line, column):
    problem = refusal(text)
    assert reason in problem.reason
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize("escape", ["\\N", "\\L", "\\P", "\\u2028"])
def test_an_escape_may_stand_for_a_line_break_that_may_not_stand_itself(escape):
    assert parse(f'"a{escape}b"'.encode()) in ("a\x85b", "a\u2028b", "a\u2029b")


def test_a_number_with_a_point_never_becomes_a_version():
    assert parse(b"version: 1.10") == {"version": 1.1}
    assert parse(b"version: '1.10'") == {"version": "1.10"}


def test_no_float_is_infinite():
    assert "beyond every float" in refusal("1e999").reason
    assert "beyond every float" in refusal("[-9e308]").reason
    assert parse(b"1.7976931348623157e308") == 1.7976931348623157e308


# ---- bounds


def nested(depth, inside):
    return "[" * depth + inside + "]" * depth


def test_values_may_stand_so_deep_and_no_deeper():
    assert MAX_DEPTH == 16
    value = parse(nested(MAX_DEPTH, "1").encode())
    for _ in range(MAX_DEPTH):
        (value,) = value
    assert value == 1
    assert "nested deeper than 16" in refusal(nested(MAX_DEPTH + 1, "1")).reason
    assert "nested deeper" in refusal("".join(" " * i + "a:\n" for i in range(20)) + " " * 20 + "1").reason
    assert "nested deeper" in refusal("- " * 18 + "1").reason


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[\n", "{? "])
def test_depth_is_refused_before_it_costs_anything(opening):
    refusal((opening * MAX_BYTES)[:MAX_BYTES])


def test_so_many_values_and_no_more():
    assert MAX_NODES == 20_000
    assert parse(b"[1, {a: b}]", max_nodes=5) == [1, {"a": "b"}]
    assert "too many values" in refusal("[1, {a: b}]", max_nodes=4).reason
    many = "[" + "1," * (MAX_NODES - 1) + "]"
    assert len(parse(many.encode())) == MAX_NODES - 1
    assert "too many values" in refusal("[" + "1," * MAX_NODES + "]").reason


def test_so_many_bytes_and_no_more():
    assert MAX_BYTES == 64 * 1024
    assert parse(b"a".ljust(MAX_BYTES)) == "a"
    problem = refusal(b"a".ljust(MAX_BYTES + 1))
    assert problem.reason == "larger than 65536 bytes"
    assert parse(b"abc", max_bytes=3) == "abc"
    refusal("abcd", max_bytes=3)
    refusal("ééé", max_bytes=5)  # bytes, not characters


def test_an_expanding_document_expands_to_nothing():
    bomb = "a: &a [x,x]\n" + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert "anchors" in refusal(bomb).reason


# ---- any bytes at all


def is_plain_data(value):
    if isinstance(value, list):
        return all(is_plain_data(part) for part in value)
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(is_plain_data(part) for part in value.values())
    if isinstance(value, str):
        value.encode()
        return True
    return value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value))


def total(data):
    caught = None
    try:
        value = parse(data)
    except YamlProblem as problem:
        caught = problem
    if caught is None:
        assert is_plain_data(value)
    else:
        assert caught.reason
        assert caught.line >= 0
        assert (caught.line == 0) == (caught.column == 0)


@EXAMPLES
@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_problem(data):
    total(data)


@EXAMPLES
@given(st.text(max_size=100))
def test_any_text_gives_a_value_or_a_problem(text):
    total(text.encode("utf-8", "surrogatepass"))


PIECES = (
    *"[]{}:,-?&*!|>'\"%#@`~=+<.0127aeEnoyx_\\ ",
    *(
        "\n",
        "\r",
        "\t",
        "\n  ",
        "\n- ",
        ": ",
        "- ",
        "? ",
        "--- ",
        "...\n",
        "%YAML 1.1\n",
        "%T x\n",
        "&a ",
        "*a ",
        "!!int ",
        "<<: ",
        '"\\u',
        '"\\U',
        '\\x4"',
    ),
    *("null", "true", "|2-\n", ">+\n", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "'", '"', "\0"),
)


@settings(EXAMPLES, max_examples=800)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_shuffle_of_the_pieces_of_yaml_gives_a_value_or_a_problem(text):
    total(text.encode())


# ---- the common ground with JSON

NUMBERS = st.integers(-(10**19) + 1, 10**19 - 1) | st.floats(allow_nan=False, allow_infinity=False)


def documents(texts):
    return st.recursive(
        st.none() | st.booleans() | NUMBERS | texts,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=4)
        ),
        max_leaves=12,
    )


LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"indent": 0, "separators": (" ,", ": ")}])


@EXAMPLES
@given(documents(st.text(st.sampled_from(string.printable + "é\u00a0ß中\U0001f600"), max_size=12)), LAYOUTS)
def test_json_means_here_what_it_means_in_json(value, layout):
    text = json.dumps(value, ensure_ascii=False, **layout)
    assert typed(parse(text.encode())) == typed(json.loads(text))


@EXAMPLES
@given(documents(st.text(max_size=12)), LAYOUTS, st.booleans())
def test_json_of_any_characters_means_the_same_or_is_refused(value, layout, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only, **layout)
    data = text.encode("utf-8", "surrogatepass")
    try:
        got = parse(data)
    except YamlProblem:
        return
    assert typed(got) == typed(json.loads(data))
