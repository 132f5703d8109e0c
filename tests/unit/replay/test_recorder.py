"""Recording: whatever happens to the process or the disk, what reached the file is read again, each frame once."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pbs.contract import Rejected, StorageError, UsageError
from pbs.replay import Recorder, Trace, replay
from pbs.replay.recorder import FLUSH_FRAMES
from pbs.vm import Status
from tests.unit.replay.recordings import ENGINES, HALTING, inputs, machine, recorded

ROOT = Path(__file__).resolve().parents[3]
MANY = 2 * FLUSH_FRAMES + 7


def play(recorder: Recorder, one, given) -> None:
    for frame in given:
        recorder.add(frame, one.run_frame(frame))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recording_is_the_trace_of_the_same_frames(tmp_path, engine):
    path = tmp_path / "a.pbt"
    one = machine(engine)
    with Recorder(path, one) as recorder:
        play(recorder, one, inputs(MANY))
    trace = Trace.read(path)
    assert np.array_equal(trace.rows, recorded(MANY).rows)
    assert (trace.header, trace.status) == (recorded(MANY).header, Status.SYNCED)
    assert replay(trace).frames == MANY
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pbt"]


def test_a_recording_says_how_it_ended(tmp_path):
    one = machine()
    with Recorder(tmp_path / "a.pbt", one) as recorder:
        play(recorder, one, HALTING)
    assert Trace.read(tmp_path / "a.pbt").status is Status.HALTED


def test_a_recording_from_here_starts_here(tmp_path):
    one = machine()
    one.run(2, inputs(2))
    with Recorder(tmp_path / "a.pbt", one, from_here=True) as recorder:
        play(recorder, one, inputs()[2:])
    report = replay(Trace.read(tmp_path / "a.pbt"))
    assert (report.frames, report.digest) == (3, recorded().digests[-1])


def test_nothing_played_leaves_no_file(tmp_path):
    with Recorder(tmp_path / "a.pbt", machine()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_playing_ends_the_recording_and_keeps_it(tmp_path):
    one = machine()

    def failing():
        yield from inputs()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Recorder(tmp_path / "a.pbt", one) as recorder:
        play(recorder, one, failing())
    assert Trace.read(tmp_path / "a.pbt").digests == recorded().digests


def test_an_output_that_exists_is_replaced_on_request_only_and_at_the_end_only(tmp_path):
    path = tmp_path / "a.pbt"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError) as caught:
        Recorder(path, machine())
    assert caught.value.code == "output_exists"
    one = machine()
    with Recorder(path, one, replace=True) as recorder:
        play(recorder, one, inputs())
        assert path.read_bytes() == b"precious"
    assert Trace.read(path).digests == recorded().digests


def test_closing_twice_is_closing_once(tmp_path):
    one = machine()
    recorder = Recorder(tmp_path / "a.pbt", one)
    play(recorder, one, inputs())
    recorder.close()
    whole = (tmp_path / "a.pbt").read_bytes()
    recorder.close()
    assert (tmp_path / "a.pbt").read_bytes() == whole


def test_a_folder_that_is_not_there_is_a_coded_error(tmp_path):
    with pytest.raises(StorageError) as caught:
        Recorder(tmp_path / "missing" / "a.pbt", machine())
    assert caught.value.code == "file_unwritable"


# ---- a process that ends in the middle

KILLED = """
import os, pathlib, sys
from pbs.replay import Recorder
from tests.unit.replay.recordings import inputs, machine
one = machine()
recorder = Recorder(pathlib.Path(sys.argv[1]), one)
for frame in inputs(int(sys.argv[2])):
    recorder.add(frame, one.run_frame(frame))
os._exit(9)
"""


def test_a_process_that_is_killed_leaves_what_it_flushed(tmp_path):
    path = tmp_path / "a.pbt"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(MANY)], cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 9
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pbt.partial"]
    with pytest.raises(Rejected) as caught:
        Trace.read(tmp_path / "a.pbt.partial")
    assert caught.value.code == "trace_truncated"
    trace = Trace.read(tmp_path / "a.pbt.partial", partial=True)
    kept = 2 * FLUSH_FRAMES
    assert trace.digests == recorded(MANY).digests[:kept]
    report = replay(trace)
    assert (report.frames, report.complete) == (kept, False)


# ---- a disk that fails, an interrupt while it writes


class Failing:
    """`os.fsync`, but for one call that writes and then fails."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.left, self.error, self.real = at, error, os.fsync

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error
        self.real(descriptor)


ERRORS = [(OSError(errno.EIO, "input/output error"), StorageError), (KeyboardInterrupt(), KeyboardInterrupt)]


@pytest.mark.parametrize(("error", "raised"), ERRORS, ids=["disk", "interrupt"])
@pytest.mark.parametrize(("call", "kept"), [(2, FLUSH_FRAMES), (3, 2 * FLUSH_FRAMES)])
def test_frames_are_kept_once_when_writing_them_fails_once(tmp_path, monkeypatch, call, kept, error, raised):
    """fsync is called for the header, then for each block; what failed is written again, in the same place."""
    path = tmp_path / "a.pbt"
    one = machine()
    monkeypatch.setattr(os, "fsync", Failing(call, error))
    with pytest.raises(raised), Recorder(path, one) as recorder:
        play(recorder, one, inputs(MANY))
    trace = Trace.read(path)
    assert trace.digests == recorded(MANY).digests[:kept]
    assert replay(trace).complete


@pytest.mark.parametrize(("error", "raised"), ERRORS, ids=["disk", "interrupt"])
@pytest.mark.parametrize("call", [4, 5])
def test_a_recording_that_cannot_be_ended_stays_a_partial_one(tmp_path, monkeypatch, call, error, raised):
    """The fourth is for the last rows, the fifth for the end."""
    path = tmp_path / "a.pbt"
    one = machine()
    monkeypatch.setattr(os, "fsync", Failing(call, error))
    with pytest.raises(raised), Recorder(path, one) as recorder:
        play(recorder, one, inputs(MANY))
    recorder.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pbt.partial"]
    trace = Trace.read(tmp_path / "a.pbt.partial", partial=True)
    assert trace.digests == recorded(MANY).digests
    assert replay(trace).frames == MANY


def test_what_is_left_of_another_recording_is_not_written_over(tmp_path):
    (tmp_path / "a.pbt.partial").write_bytes(b"precious")
    with pytest.raises(UsageError) as caught:
        Recorder(tmp_path / "a.pbt", machine())
    assert caught.value.code == "output_exists"
    assert (tmp_path / "a.pbt.partial").read_bytes() == b"precious"


def test_a_torn_block_is_written_over(tmp_path, monkeypatch):
    """Half a block is on the disk when there is no more room; then there is."""
    path = tmp_path / "a.pbt"
    one = machine()
    recorder = Recorder(path, one)
    play(recorder, one, inputs(FLUSH_FRAMES))
    whole = (tmp_path / "a.pbt.partial").read_bytes()
    with (tmp_path / "a.pbt.partial").open("ab") as file:
        file.write(b"ROWS\x3c\0\0\0 half of it")
    play(recorder, one, inputs(FLUSH_FRAMES + 2)[FLUSH_FRAMES:])
    recorder.close()
    assert path.read_bytes().startswith(whole)
    assert Trace.read(path).digests == recorded(FLUSH_FRAMES + 2).digests
