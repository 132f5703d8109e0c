"""Beginning on the reference and going on in native code: nobody can tell, whatever is asked of the machine meanwhile."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pbs.contract import UsageError
from pbs.host import standard
from pbs.loader import assemble, load
from pbs.vm import Batch, Input, Machine, cache, cold_start, layout, native_parts
from pbs.vm.cache import Folder
from pbs.vm.cold_start import ColdStart, Making
from pbs.vm.compiled.engine import Auto
from pbs.vm.interpreter import Interpreter, core_of
from tests.unit.vm.world import LIMITS, image, world

FRAMES = [Input({"a"} if i % 3 else ()) for i in range(12)]
ADDS = """
.func main() -> ()
turn:
    FRAME_SYNC
    JMP turn
.end
.func add(a: int, b: int) -> int
    GET_LOCAL a
    GET_LOCAL b
    ADD
    RET
.end
.export add
"""


class After:
    """A successor that is due when it has been asked that often; `made` machines went over to it."""

    def __init__(self, asked: float, make=Interpreter) -> None:
        self.left, self.make, self.made = asked, make, 0

    def is_due(self) -> bool:
        self.left -= 1
        return self.left < 0

    def engine(self, of, state):
        self.made += 1
        return self.make(of, state)


NEVER = float("inf")


def cold(of, asked, **options):
    """A machine that begins on the reference, and what it is handed over to."""
    successor = After(asked)
    return Machine(of, engine=lambda *given: ColdStart(*given, successor, blocks=1), **options), successor


@pytest.mark.parametrize("asked", [0, 1, 2, 5, 17, 60, 90])
@pytest.mark.parametrize("budget", [30, 1000])
def test_it_is_handed_over_in_the_middle_of_a_call(asked, budget):
    expected, (machine, successor) = Machine(world(), engine="interpreter", seed=3), cold(world(), asked, seed=3)
    for each in (expected, machine):
        each.state[layout.FRAME_BUDGET] = budget
    assert machine.advance(FRAMES, 4000) == expected.advance(FRAMES, 4000)
    assert (successor.made, machine.engine.is_native) == (1, True)
    assert machine.snapshot().data == expected.snapshot().data


def test_where_the_successor_never_comes_it_stays_on_the_reference():
    machine, successor = cold(world(), NEVER)
    assert machine.advance(FRAMES) == Machine(world(), engine="interpreter").advance(FRAMES)
    assert successor.made == 0
    assert machine.engine.name == "auto"


@pytest.mark.parametrize("asked", [3, 9, NEVER])
def test_a_call_ends_where_much_was_logged_as_ever(asked, monkeypatch):
    monkeypatch.setattr("pbs.vm.machine._LOG_ROOM", 40)
    expected, (machine, _) = Machine(world(), engine="interpreter"), cold(world(), asked)
    counts = []
    while machine.frame < len(FRAMES):
        given = FRAMES[machine.frame :]
        results = machine.advance(given)
        assert results == expected.advance(given)
        counts.append(len(results))
    assert len(counts) > 1


def test_a_machine_that_has_ended_runs_no_more_frames():
    ends = image(".func main() -> ()\nFRAME_SYNC\nHALT\n.end\n")
    for asked in (0, 1, NEVER):
        machine, _ = cold(ends, asked)
        assert machine.advance(FRAMES) == Machine(ends, engine="interpreter").advance(FRAMES)
        with pytest.raises(UsageError):
            machine.advance(FRAMES)


def test_a_call_from_the_host_does_not_wait_to_be_due():
    machine, successor = cold(image(ADDS), NEVER)
    machine.run(2)
    assert machine.call("add", (2, 3)) == (5,)
    assert successor.made == 1


@pytest.mark.parametrize("asked", [1, 40, NEVER])
def test_it_may_be_put_back_at_any_time(asked):
    expected, (machine, _) = Machine(world(), engine="interpreter"), cold(world(), asked)
    machine.advance(FRAMES[:4])
    expected.advance(FRAMES[:4])
    kept = machine.snapshot()
    for each in (expected, machine):
        each.advance(FRAMES[4:])
        each.restore(kept.data)
    assert machine.advance(FRAMES[4:]) == expected.advance(FRAMES[4:])


def test_a_batch_of_them_goes_native_at_once():
    made = []

    def engine(*given):  # the last one finds the core there
        made.append(ColdStart(*given, After(NEVER, Auto)) if len(made) < 2 else Auto(*given))
        return made[-1]

    batch, expected = Batch(world(), 3, engine=engine), Batch(world(), 3, engine="interpreter")
    assert np.array_equal(batch.run(5).digests, expected.run(5).digests)
    assert [one.is_native for one in made[:2]] == [True, True]


# ---- when


class Process:
    """A process that has ended, or has not."""

    def __init__(self, code=None) -> None:
        self.code, self.waited = code, False

    def poll(self):
        return self.code

    def wait(self):
        self.waited = True


@pytest.fixture
def clock(monkeypatch):
    """Seconds by the wall, and of the processor."""
    now = {"elapsed": 100.0, "user": 4.0, "system": 1.0}
    monkeypatch.setattr(cold_start.os, "times", lambda: SimpleNamespace(**now))
    return now


def test_it_is_due_when_the_core_is_there(clock):
    assert not Making(Process()).is_due()
    assert Making(Process(0)).is_due()
    assert Making(Process(1)).is_due(), "whoever takes over says what is wrong"


def test_a_run_without_a_pause_is_due_when_it_has_used_a_second(clock):
    making = Making(Process())
    clock["elapsed"] += 1.2
    clock["user"] += 0.9
    clock["system"] += 0.09
    assert not making.is_due()
    clock["system"] += 0.02
    assert making.is_due()


def test_a_game_at_its_own_pace_plays_on(clock):
    making = Making(Process())
    clock["elapsed"] += 10.0
    clock["user"] += 4.9
    assert not making.is_due()


def test_what_takes_over_waits_for_the_core():
    process = Process()
    machine = Machine(world(), engine="interpreter")
    assert type(Making(process).engine(world(), machine.state)) is Auto
    assert process.waited


# ---- whether


@pytest.fixture
def lacking(monkeypatch):
    """The core lacks a part; what is said, and which parts were asked for."""
    said, asked = [], []
    monkeypatch.setattr(cold_start, "notify", said.append)
    monkeypatch.setattr("pbs.vm.native.Core.missing", lambda _self, _modules: ["log"])

    def make_meanwhile(parts):
        asked.append(parts)
        return Process()

    monkeypatch.setattr(native_parts, "make_meanwhile", make_meanwhile)
    return said, asked


def test_with_a_core_at_hand_it_is_native_at_once():
    assert type(Machine(world()).engine) is Auto


def test_without_one_it_is_made_meanwhile_and_said_so(lacking):
    said, asked = lacking
    assert type(Machine(world()).engine) is ColdStart
    assert (asked, len(said)) == ([["log"]], 1)
    assert "in the background" in said[0]


def test_where_nothing_can_be_kept_the_core_is_waited_for(lacking, monkeypatch):
    monkeypatch.setattr(native_parts, "make_meanwhile", lambda _: None)
    assert type(Machine(world()).engine) is Auto
    assert lacking[0] == []


def test_the_core_of_another_host_is_waited_for(lacking):
    other = load(assemble(ADDS), limits=LIMITS, registry=replace(standard()))
    assert not core_of(other).is_standard
    assert type(Machine(other).engine) is Auto
    assert lacking == ([], [])


# ---- the process that makes it


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """An empty cache of our own."""
    monkeypatch.setenv("PBS_CACHE_DIR", str(tmp_path / "cache"))
    cache.current.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    cache.current.cache_clear()


def test_it_makes_what_is_missing_and_is_begun_once(empty):
    making = native_parts.make_meanwhile(["log"])
    assert making is not None
    assert native_parts.make_meanwhile(["log"]) is making
    assert making.wait(timeout=300) == 0
    folder = cache.current()
    assert folder is not None
    assert folder.read("native", "log")
    assert sorted(path.name for path in folder.path.iterdir()) == ["native.log"]


def test_it_stands_apart_from_us(empty, monkeypatch):
    given = []
    monkeypatch.setattr(native_parts.subprocess, "Popen", lambda *_, **options: given.append(options) or Process())
    monkeypatch.chdir(empty.parent)
    monkeypatch.setenv("PBS_CACHE_DIR", "cache")
    monkeypatch.setenv("NUMBA_OPT", "1")
    for _ in range(2):  # another process, for another set of parts
        native_parts.make_meanwhile(["clock"])
        native_parts.make_meanwhile(["clock", "log"])
    first, second = given
    assert first["start_new_session"]
    assert first["env"] == second["env"]
    assert first["env"]["PBS_CACHE_DIR"] == str(empty)
    assert "NUMBA_OPT" not in first["env"]
    assert {first[name] for name in ("stdin", "stdout", "stderr")} == {native_parts.subprocess.DEVNULL}


def test_where_nothing_can_be_kept_none_is_begun(empty):
    empty.write_text("a file where the folder should be")
    assert native_parts.make_meanwhile(["log"]) is None


def test_of_two_that_make_the_same_one_waits_and_finds_it_made(tmp_path, monkeypatch):
    folder, built, held = Folder(tmp_path), [], threading.Event()

    def build(to, parts):
        built.append(parts)
        held.set()
        for part in parts:
            assert to.write("native", part, b"x")

    monkeypatch.setattr(native_parts, "_build", build)
    with folder.made_once(60) as waited:
        assert not waited
        other = threading.Thread(target=native_parts._made_in, args=(folder, ["log", "clock"]))
        other.start()
        assert not held.wait(0.2), "it waits"
        assert folder.write("native", "log", b"x")
    other.join(60)
    assert built == [["clock"]]


def test_nobody_waits_for_ever(tmp_path):
    folder = Folder(tmp_path)
    with folder.made_once(60), folder.made_once(0.05) as waited:
        assert waited


def test_where_there_are_no_locks_nobody_waits(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    with folder.made_once(60), folder.made_once(60) as waited:
        assert not waited
