"""How batches are measured: every side does the same, and what is printed says what was measured."""

import pytest

from pbs.bench import batches
from pbs.bench.suite import GAMES
from pbs.contract import InternalError
from pbs.vm import Batch
from pbs.vm.workers import cores


def test_one_thread_and_all_run_the_same_frames():
    found = batches.scaling(GAMES[0], 2, 3, frames=2)
    assert (found.name, found.frames) == (GAMES[0].name, 4)
    assert len(found.one.seconds) == len(found.all.seconds) == len(found.ratios) == 3
    assert found.line().split()[0] == GAMES[0].name


def test_every_size_is_measured():
    found = batches.growth((1, 3), 2, frames=1)
    assert {machines: len(taken.seconds) for machines, taken in found.items()} == {1: 2, 3: 2}


def test_rounds_that_come_to_different_digests_are_no_measurement(monkeypatch):
    """This can fail: without the resets every round goes on where the one before stopped."""
    monkeypatch.setattr(Batch, "reset", lambda _batch, _slot: None)
    with pytest.raises(InternalError):
        batches.growth((1,), 2, frames=1)


def test_the_tables_name_every_cartridge_and_every_size(monkeypatch, capsys):
    monkeypatch.setattr(batches, "FRAMES", dict.fromkeys(batches.FRAMES, 1))
    monkeypatch.setattr(batches, "GROWTH", (1, 2))
    assert batches.main(["--rounds", "1", "--machines", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"on {cores()} threads" in printed
    for game in GAMES:
        assert f"\n{game.name} " in printed
    assert printed.count(" machines  ") == 2
