"""The command in this process, and what most of its tests are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pbs.cli import main

from .commands import TICK, Outcome, write_program


@pytest.fixture(autouse=True)
def _plain_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours decides how PBS behaves, and what it writes goes to a folder of its own."""
    for name in ("PBS_ENGINE", "PBS_VIEW", "PBS_DEBUG", "NO_COLOR", "COLORTERM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pbs(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command, called in this process."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Outcome(code, out, err)

    return call


@pytest.fixture
def tick(tmp_path: Path) -> Path:
    """A program that counts frames for ever."""
    return write_program(tmp_path / "tick.pbx", TICK)
