"""Input scripts: docs/formats.md, input script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbs.contract import Rejected
from pbs.host.devices import BUTTONS
from pbs.replay import parse_script
from pbs.replay.input_script import MAX_FRAMES
from pbs.vm import Input

NOTHING = Input()


def held(*names: str, touch: tuple[int, int] | None = None) -> Input:
    return Input(frozenset(names), touch)


MEANINGS = {
    "": [],
    "\n\n  \t\n# only talk\n": [],
    "2": [NOTHING, NOTHING],
    "1 start": [held("start")],
    "2 up a # jump\n1": [held("up", "a"), held("up", "a"), NOTHING],
    "1 touch 0,0": [held(touch=(0, 0))],
    "1 touch 319,179 b": [held("b", touch=(319, 179))],
    "1 b touch 160,090": [held("b", touch=(160, 90))],
    "01 l r": [held("l", "r")],
    "1 a a": [held("a")],
    "1\r\n1 x\r\n": [NOTHING, held("x")],
    "1#comment": [NOTHING],
    " ".join(["1", *BUTTONS]): [held(*BUTTONS)],
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_script_means_its_frames(text):
    assert parse_script(text) == MEANINGS[text]


MISTAKES = {
    "a": "a",
    "0": "0",
    "-1": "-1",
    "+1": "+1",
    "1.5": "1.5",
    "1_0": "1_0",
    "\u0661": "\u0661",  # a digit, but not ours
    "\u00b2": "\u00b2",
    "1 A": "A",
    "1 upp": "upp",
    "1 touch": "touch",
    "1 touch 1": "touch",
    "1 touch 1,2,3": "touch",
    "1 touch 320,0": "touch",
    "1 touch 0,180": "touch",
    "1 touch -1,0": "touch",
    "1 touch 1, 2": "touch",
    "1 touch \u0661,1": "touch",
    "1 touch 9999,0": "touch",
    "1 1": "1",
    f"{MAX_FRAMES + 1}": f"{MAX_FRAMES + 1}",
    "9" * 5000: "9" * 40,
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: ascii(text[:20]))
def test_a_mistake_is_named_with_its_line(text):
    for lines_before in (0, 3):
        with pytest.raises(Rejected) as caught:
            parse_script("# talk\n" * lines_before + text + "\n1\n")
        assert caught.value.code == "input_script_invalid"
        assert caught.value.diagnostic.details == {"line": lines_before + 1}
        assert caught.value.diagnostic.subject == MISTAKES[text]


def test_all_lines_together_have_at_most_so_many_frames():
    assert len(parse_script(f"{MAX_FRAMES - 1}\n1 a")) == MAX_FRAMES
    with pytest.raises(Rejected) as caught:
        parse_script(f"{MAX_FRAMES}\n1 a")
    assert caught.value.diagnostic.details == {"line": 2}


@given(
    st.lists(
        st.tuples(
            st.integers(1, 50),
            st.frozensets(st.sampled_from(BUTTONS)),
            st.none() | st.tuples(st.integers(0, 319), st.integers(0, 179)),
        ),
        max_size=10,
    )
)
def test_what_is_written_is_read(stretches):
    lines = [
        " ".join([str(count), *sorted(buttons), *([] if touch is None else ["touch", f"{touch[0]},{touch[1]}"])])
        for count, buttons, touch in stretches
    ]
    expected = [Input(buttons, touch) for count, buttons, touch in stretches for _ in range(count)]
    assert parse_script("\n".join(lines)) == expected


@given(st.text(max_size=60))
def test_any_text_is_frames_or_one_mistake(text):
    try:
        found = parse_script(text.replace("9", ""))
    except Rejected as refused:
        assert refused.code == "input_script_invalid"
        assert 1 <= int(refused.diagnostic.details["line"]) <= len(text.splitlines())
    else:
        assert all(isinstance(one, Input) for one in found)
