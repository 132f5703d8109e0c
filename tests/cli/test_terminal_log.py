"""What a cartridge logs never lands in the middle of its picture."""

import io
from contextlib import redirect_stderr

import pbs
from pbs.cli.playing import Session
from pbs.vm import Machine

LOGGING = """
.const WORDS = "seen"
.func main() -> ()
again:
    PUSH 2
    PUSH_CONST WORDS
    HOSTCALL log.write/1
    POP
    FRAME_SYNC
    JMP again
.end
"""


class Shown:
    """A view that notes what has been said by the time it is closed."""

    def __init__(self, name, said):
        self.name, self.said, self.before_close, self.left = name, said, None, 3

    def show(self, screen):
        pass

    def sample(self):
        self.left -= 1
        return pbs.Input() if self.left >= 0 else None

    def close(self):
        self.before_close = self.said.getvalue()


def played(monkeypatch, name):
    said = io.StringIO()
    view = Shown(name, said)
    monkeypatch.setattr("pbs.cli.playing.open_view", lambda _choice, _title: view)
    with redirect_stderr(said):
        Session(Machine(pbs.load(pbs.assemble(LOGGING)), engine="reference"), "auto", 1).run()
    return view.before_close, said.getvalue()


LINES = "[0] info: seen\n[1] info: seen\n[2] info: seen\n"


def test_in_the_terminal_it_comes_when_the_picture_is_gone(monkeypatch):
    assert played(monkeypatch, "term") == ("", LINES)


def test_beside_a_window_it_comes_at_once(monkeypatch):
    assert played(monkeypatch, "window") == (LINES, LINES)
