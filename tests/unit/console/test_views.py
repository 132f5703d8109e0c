"""Which view is taken, and what is said where it cannot be had."""

from __future__ import annotations

import sys
import types

import pytest

from pbs.console import views
from pbs.console.halfblocks import Colors
from pbs.contract import UsageError
from pbs.contract.notices import listening


class Fake:
    """A view that only has a name."""

    def __init__(self, name):
        self.name = name


@pytest.fixture
def place(monkeypatch):
    """A place with a screen, a terminal and pygame, of which a test takes away what it wants."""

    def make(*, screen=True, terminal=True, pygame=True, window=None):
        monkeypatch.setattr(sys, "platform", "linux")
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        if screen:
            monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setenv("TERM", "xterm")
        for stream in ("stdin", "stdout"):
            monkeypatch.setattr(sys, stream, types.SimpleNamespace(isatty=lambda: terminal))
        present = {"pygame": pygame, "termios": True}
        monkeypatch.setattr(views, "find_spec", lambda name: object() if present[name] else None)

        def open_window(title):
            if window is not None:
                raise window
            return Fake("window")

        monkeypatch.setitem(sys.modules, "pbs.console.window", types.SimpleNamespace(Window=open_window))
        monkeypatch.setitem(sys.modules, "pbs.console.term", types.SimpleNamespace(Terminal=lambda title: Fake("term")))

    return make


def opened(choice):
    view = views.open_view(choice, "A title")
    return None if view is None else view.name


def test_the_choices_are_those_of_the_command_line():
    from pbs.cli.options import VIEW

    option = VIEW(lambda: None).__click_params__[0]
    assert tuple(option.type.choices) == views.CHOICES


@pytest.mark.parametrize(
    ("have", "expected"),
    [
        ({}, {"auto": "window", "window": "window", "term": "term", "none": None}),
        ({"screen": False}, {"auto": "term", "window": "window", "term": "term", "none": None}),
        ({"pygame": False}, {"auto": "term", "window": "view_unavailable", "term": "term", "none": None}),
        ({"terminal": False}, {"auto": "window", "window": "window", "term": "view_unavailable", "none": None}),
        ({"terminal": False, "screen": False}, {"auto": None, "window": "window", "term": "view_unavailable", "none": None}),
        ({"terminal": False, "pygame": False},
         {"auto": None, "window": "view_unavailable", "term": "view_unavailable", "none": None}),
    ],
)  # fmt: skip
def test_what_is_taken_of_what_there_is(place, have, expected):
    place(**have)
    assert set(expected) == set(views.CHOICES)
    for choice, outcome in expected.items():
        try:
            got = opened(choice)
        except UsageError as error:
            assert error.diagnostic.subject == choice
            assert error.exit_code == 2
            got = error.code
        assert got == outcome, choice


def test_without_pygame_a_window_is_refused_with_what_brings_it(place):
    place(pygame=False)
    with pytest.raises(UsageError) as caught:
        views.open_view("window", "A title")
    assert caught.value.code == "view_unavailable"
    assert "pip install 'pbs-machine[window]'" in str(caught.value)


def test_auto_goes_on_to_the_terminal_where_the_window_fails_and_says_so(place):
    place(window=UsageError("view_unavailable", subject="window", details={"reason": "no video device"}))
    heard = []
    with listening(heard.append):
        assert opened("auto") == "term"
    assert heard == ["no window (no video device); using the terminal"]
    with pytest.raises(UsageError):
        opened("window")


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_can_do_nothing_is_none(place, monkeypatch, term):
    place(screen=False)
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    assert opened("auto") is None
    with pytest.raises(UsageError):
        opened("term")


@pytest.mark.parametrize(("platform", "expected"), [("win32", "window"), ("darwin", "window"), ("linux", "term")])
def test_some_systems_always_have_a_screen(place, monkeypatch, platform, expected):
    place(screen=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert opened("auto") == expected


def test_wayland_is_a_screen_too(place, monkeypatch):
    place(screen=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert opened("auto") == "window"


def test_a_system_without_termios_has_no_terminal_view(place, monkeypatch):
    place()
    monkeypatch.setattr(views, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        opened("term")
    assert (caught.value.code, caught.value.diagnostic.subject) == ("view_unavailable", "term")


@pytest.mark.parametrize(
    ("variables", "colors"),
    [
        ({}, Colors.CUBE), ({"COLORTERM": "truecolor"}, Colors.TRUE), ({"COLORTERM": "24BIT"}, Colors.TRUE),
        ({"COLORTERM": "yes"}, Colors.CUBE), ({"NO_COLOR": "1"}, Colors.NONE), ({"NO_COLOR": ""}, Colors.CUBE),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, Colors.NONE),
    ],
)  # fmt: skip
def test_the_colours_of_a_terminal(monkeypatch, variables, colors):
    from pbs.console.term import terminal_colors

    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal_colors() is colors
