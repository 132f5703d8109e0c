"""The native core's cache of object files: made once in processes of their own, never believed, never needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pbs.contract import InternalError, UsageError, notices
from pbs.vm import cache, native, native_parts
from pbs.vm.cache import Folder
from pbs.vm.native_names import CONVENTIONS, PROBE_FAILED

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("kernels", "steps0", "steps1", "log")  # what the program below needs
SMALL_PART = "log"

# Runs a program that logs; says whether numba was loaded, and the last digest.
RUN = """
import sys
import pbs
program = pbs.assemble('''.target profile "game" "1.0.0"
.func main() -> ()
PUSH 2
PUSH 42
HOSTCALL log.number/1
POP
HALT
.end
''')
(result,) = pbs.Machine(pbs.load(program), engine="interpreter").run(1)
print("numba" in sys.modules, result.log[0].text, result.digest.hex())
"""


@pytest.fixture
def kept(tmp_path):
    """A cache folder of our own with what the program needs, copied from the one that all tests use."""
    ours = cache.current()
    assert ours is not None
    folder = tmp_path / "runtimes" / cache.runtime()
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "runtimes").chmod(0o700)
    for part in PARTS:
        shutil.copy(ours.path / f"native.{part}", folder)
    return folder


def run(folder: Path) -> tuple[list[str], str]:
    """What the program printed, and what was said meanwhile."""
    environment = {**os.environ, "PBS_CACHE_DIR": str(folder.parent.parent), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.split(), done.stderr


@pytest.fixture(scope="module")
def digest():
    """What the program comes to here."""
    scope: dict[str, object] = {}
    exec(RUN.replace("print(", "digest = (").replace('"interpreter"', '"reference"'), scope)
    return scope["digest"][2]


def test_a_warm_start_loads_no_compiler_and_writes_nothing(kept, digest):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in kept.iterdir()}
    printed, said = run(kept)
    assert printed == ["False", "42", digest]
    assert said == ""
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in kept.iterdir()} == before


def test_a_missing_part_is_made_in_a_process_of_its_own_and_kept(kept, digest):
    (kept / f"native.{SMALL_PART}").unlink()
    printed, said = run(kept)
    assert printed == ["False", "42", digest], "numba was loaded by the builder alone"
    assert f"compiling {SMALL_PART} for this machine" in said
    assert {path.name for path in kept.iterdir()} == {f"native.{part}" for part in PARTS}
    assert run(kept) == (printed, "")


def test_a_damaged_part_is_made_again_and_the_run_comes_to_the_same(kept, digest):
    path = kept / f"native.{SMALL_PART}"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"\0" * 100 + whole[1100:])
    printed, said = run(kept)
    assert printed == ["False", "42", digest]
    assert "is made again" in said
    assert Folder(kept).read("native", SMALL_PART) is not None


def test_a_part_that_others_may_write_is_made_again(kept, digest):
    path = kept / f"native.{SMALL_PART}"
    path.chmod(0o666)
    printed, said = run(kept)
    assert printed == ["False", "42", digest]
    assert "is not used" in said
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(kept) == (printed, "")


# ---- builders


def builder(text: str):
    """A builder process that only does this."""
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def said(monkeypatch):
    """What is said to the user, instead of saying it."""
    heard: list[str] = []
    monkeypatch.setattr(native_parts, "notify", heard.append)
    return heard


@pytest.fixture
def builds(monkeypatch, tmp_path, said):
    """Builders in name only: they fail the trial under the fast convention, and write empty parts under the other."""
    started: list[tuple[str, list[str]]] = []

    def start(chosen, folder, queue):
        started.append((chosen, sorted(queue)))
        if chosen != CONVENTIONS[-1]:
            return builder(f"import sys; sys.exit({PROBE_FAILED})")
        for part in queue:
            folder.write("native", part, b"made plainly")
        return builder("")

    monkeypatch.setattr(native_parts, "_start", start)
    monkeypatch.setattr(native.platform, "machine", lambda: "x86_64")
    yield started
    native.FAILED.clear()


@pytest.mark.parametrize("is_cached", [True, False])
def test_steps_that_fail_their_trial_are_made_once_more_with_plain_calls(builds, monkeypatch, tmp_path, is_cached):
    monkeypatch.setattr(cache, "current", lambda: Folder(tmp_path) if is_cached else None)
    wanted = ["kernels", "steps0", "steps1"]
    assert native_parts._made(wanted) == dict.fromkeys(wanted, b"made plainly")
    assert [chosen for chosen, _ in builds] == [CONVENTIONS[0]] * 2 + [CONVENTIONS[-1]] * 2
    assert native.convention() == CONVENTIONS[-1], "parts that are made later must fit"
    native.FAILED.clear()
    assert native.convention() == (CONVENTIONS[-1] if is_cached else CONVENTIONS[0]), "the folder remembers"


def test_what_a_folder_lacks_that_cannot_be_written_is_made_for_this_run_only(monkeypatch, tmp_path, said):
    kept, made_in = Folder(tmp_path), []
    kept.write("native", "log", b"kept")

    def start(chosen, folder, queue):
        made_in.append(folder.path)
        for part in queue:
            folder.write("native", part, b"made")
        return builder("")

    monkeypatch.setattr(cache, "current", lambda: kept)
    monkeypatch.setattr(native_parts, "_start", start)
    monkeypatch.setattr(native_parts.os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    assert native_parts._made(["clock"]) == {"clock": b"made"}
    assert len(made_in) == 1
    assert not made_in[0].exists()
    assert [path.name for path in tmp_path.iterdir()] == ["native.log"]


def test_a_builder_that_fails_is_a_coded_error_with_its_last_line(monkeypatch, tmp_path, said):
    monkeypatch.setattr(
        native_parts, "_start", lambda *_: builder("import sys; sys.exit('first\\nno room on the device')")
    )
    monkeypatch.setattr(cache, "current", lambda: Folder(tmp_path))
    with pytest.raises(UsageError) as caught:
        native_parts._made(["kernels"])
    assert caught.value.code == "engine_unavailable"
    assert caught.value.diagnostic.details["reason"] == "no room on the device"


def test_a_builder_that_hangs_is_ended(monkeypatch, tmp_path, said):
    monkeypatch.setattr(native_parts, "BUILD_TIMEOUT_S", 0.05)
    hanging = builder("import threading; threading.Event().wait()")
    monkeypatch.setattr(native_parts, "_start", lambda *_: hanging)
    monkeypatch.setattr(cache, "current", lambda: Folder(tmp_path))
    with pytest.raises(UsageError) as caught:
        native_parts._made(["kernels"])
    assert caught.value.code == "engine_unavailable"
    assert hanging.returncode is not None


def test_a_part_that_was_made_and_is_not_there_is_our_mistake(monkeypatch, tmp_path, said):
    monkeypatch.setattr(native_parts, "_start", lambda *_: builder(""))
    monkeypatch.setattr(cache, "current", lambda: Folder(tmp_path))
    with pytest.raises(InternalError):
        native_parts._made(["kernels"])


def test_a_builder_sees_nothing_of_the_settings_around_it(monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **options: given.update(options))
    for name in ("NUMBA_DISABLE_JIT", "NUMBA_OPT", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "7")
    native_parts._start(CONVENTIONS[0], Folder(tmp_path), ["kernels"])
    settings = {name: value for name, value in given["env"].items() if name.startswith(("NUMBA", "PYTHON"))}
    assert settings == {"NUMBA_OPT": "0", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    assert given["cwd"] == tmp_path


def test_notices_go_to_standard_error(capsys):
    notices.notify("compiling")
    out, err = capsys.readouterr()
    assert (out, "compiling" in err) == ("", True)
