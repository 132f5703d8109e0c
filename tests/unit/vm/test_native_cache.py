"""The native core's cache of object files: made once in processes of their own, never believed, never needed."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pbs.contract import InternalError, UsageError, notices
from pbs.vm import native, native_build
from pbs.vm.native_build import CONVENTIONS

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
def cache(tmp_path):
    """A cache folder of our own with what the program needs, copied from the one that all tests use."""
    ours = native.cache_folder()
    assert ours is not None
    folder = tmp_path / "native" / native.core_digest()
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "native").chmod(0o700)
    for part in PARTS:
        shutil.copy(ours / f"{part}.o", folder)
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


def test_a_warm_start_loads_no_compiler_and_writes_nothing(cache, digest):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in cache.iterdir()}
    printed, said = run(cache)
    assert printed == ["False", "42", digest]
    assert said == ""
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in cache.iterdir()} == before


def test_a_missing_part_is_made_in_a_process_of_its_own_and_kept(cache, digest):
    (cache / f"{SMALL_PART}.o").unlink()
    printed, said = run(cache)
    assert printed == ["False", "42", digest], "numba was loaded by the builder alone"
    assert f"compiling {SMALL_PART} for this machine" in said
    assert {path.name for path in cache.iterdir()} == {f"{part}.o" for part in PARTS}
    assert run(cache) == (printed, "")


# ---- what a cache file is taken for


def damaged(whole: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "only its head": whole[:37],
        "cut short": whole[: len(whole) // 2],
        "one byte short": whole[:-1],
        "one byte long": whole + b"\0",
        "of another format": b"PBSO\x01" + whole[5:],
        "without its head": whole[37:],
        "something else": b"\x7fELF" + bytes(1000),
    }


@pytest.mark.parametrize("name", damaged(b""))
def test_a_damaged_part_is_not_taken(cache, name, capsys):
    path = cache / f"{SMALL_PART}.o"
    path.write_bytes(damaged(path.read_bytes())[name])
    assert native._read_part(path) is None
    assert "damaged" in capsys.readouterr().err


def test_no_byte_of_a_part_may_change(cache, monkeypatch):
    monkeypatch.setattr(native, "notify", lambda _: None)
    path = cache / f"{SMALL_PART}.o"
    whole = path.read_bytes()
    assert native._read_part(path) == whole[37:]
    for at in (*range(64), *range(64, len(whole), 211), len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert native._read_part(path) is None, at


def test_a_part_of_another_name_or_of_another_core_is_not_taken(cache, monkeypatch):
    """Both are whole files that somebody wrote; loading one would call what is not there."""
    monkeypatch.setattr(native, "notify", lambda _: None)
    shutil.copy(cache / "log.o", cache / "clock.o")
    assert native._read_part(cache / "clock.o") is None
    other = cache.parent / hashlib.sha256(b"another core").hexdigest()[:32]
    shutil.copytree(cache, other)
    assert native._read_part(cache / "log.o") is not None
    assert native._read_part(other / "log.o") is None


def test_a_damaged_part_is_made_again_and_the_run_comes_to_the_same(cache, digest):
    path = cache / f"{SMALL_PART}.o"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"\0" * 100 + whole[1100:])
    printed, said = run(cache)
    assert printed == ["False", "42", digest]
    assert f"the cached {SMALL_PART} is damaged and is made again" in said
    assert native._read_part(path) is not None


# ---- whose folder it is


@pytest.fixture
def said(monkeypatch):
    """What is said to the user, instead of saying it."""
    heard: list[str] = []
    monkeypatch.setattr(native, "notify", heard.append)
    return heard


def folder_at(root: Path, monkeypatch) -> Path | None:
    monkeypatch.setenv("PBS_CACHE_DIR", str(root))
    return native.cache_folder.__wrapped__()


def test_the_folder_is_made_private(tmp_path, monkeypatch, said):
    folder = folder_at(tmp_path / "new", monkeypatch)
    assert folder == tmp_path / "new" / "native" / native.core_digest()
    for path in (folder, folder.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []
    assert said == []


@pytest.mark.parametrize("which", ["native", "folder"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used(tmp_path, monkeypatch, said, which, mode):
    folder = folder_at(tmp_path, monkeypatch)
    (folder if which == "folder" else folder.parent).chmod(mode)
    assert folder_at(tmp_path, monkeypatch) is None
    assert len(said) == 1
    assert "is not used" in said[0]


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path, monkeypatch, said):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "native").symlink_to(elsewhere)
    assert folder_at(tmp_path, monkeypatch) is None
    assert "is not used" in said[0]


def test_without_a_folder_there_is_no_cache(tmp_path, monkeypatch, said):
    (tmp_path / "native").write_text("a file where the folder should be")
    assert folder_at(tmp_path, monkeypatch) is None
    assert "compiling for this run only" in said[0]


def test_the_digest_of_a_core_depends_on_its_sources(monkeypatch):
    before = native.core_digest.__wrapped__()
    assert before == native.core_digest()
    monkeypatch.setattr(native, "_SOURCES", ("isa", "host"))
    assert native.core_digest.__wrapped__() != before


@pytest.mark.parametrize("other", [{"cpu": "generic"}, {"features": ""}, {"level": 0}])
def test_the_digest_of_a_core_depends_on_its_target(monkeypatch, other):
    monkeypatch.setattr(native_build, "_AIM", [])
    before = native.core_digest.__wrapped__()
    native_build.aim(native_build.target())
    assert before == native.core_digest.__wrapped__()
    native_build.aim(replace(native_build.target(), **other))
    assert before != native.core_digest.__wrapped__()


# ---- builders


def builder(text: str):
    """A builder process that only does this."""
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def builds(monkeypatch, tmp_path, said):
    """Builders in name only: they fail the trial under the fast convention, and write empty parts under the other."""
    started: list[tuple[str, list[str]]] = []

    def start(chosen, folder, queue):
        started.append((chosen, sorted(queue)))
        if chosen != CONVENTIONS[-1]:
            return builder(f"import sys; sys.exit({native.PROBE_FAILED})")
        for part in queue:
            native.write_part(folder / f"{part}.o", b"made plainly")
        return builder("")

    monkeypatch.setattr(native, "_start", start)
    monkeypatch.setattr(native, "_FAILED", set())
    monkeypatch.setattr(native.platform, "machine", lambda: "x86_64")
    return started


@pytest.mark.parametrize("is_cached", [True, False])
def test_steps_that_fail_their_trial_are_made_once_more_with_plain_calls(builds, monkeypatch, tmp_path, is_cached):
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path if is_cached else None)
    wanted = ["kernels", "steps0", "steps1"]
    assert native._standard_parts(wanted) == dict.fromkeys(wanted, b"made plainly")
    assert [chosen for chosen, _ in builds] == [CONVENTIONS[0]] * 2 + [CONVENTIONS[-1]] * 2
    assert native.convention() == CONVENTIONS[-1], "parts that are made later must fit"
    monkeypatch.setattr(native, "_FAILED", set())
    assert native.convention() == (CONVENTIONS[-1] if is_cached else CONVENTIONS[0]), "the folder remembers"


def test_a_builder_that_fails_is_a_coded_error_with_its_last_line(monkeypatch, tmp_path, said):
    monkeypatch.setattr(native, "_start", lambda *_: builder("import sys; sys.exit('first\\nno room on the device')"))
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    with pytest.raises(UsageError) as caught:
        native._standard_parts(["kernels"])
    assert caught.value.code == "engine_unavailable"
    assert caught.value.diagnostic.details["reason"] == "no room on the device"


def test_a_builder_that_hangs_is_ended(monkeypatch, tmp_path, said):
    monkeypatch.setattr(native, "BUILD_TIMEOUT_S", 0.05)
    hanging = builder("import threading; threading.Event().wait()")
    monkeypatch.setattr(native, "_start", lambda *_: hanging)
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    with pytest.raises(UsageError) as caught:
        native._standard_parts(["kernels"])
    assert caught.value.code == "engine_unavailable"
    assert hanging.returncode is not None


def test_a_part_that_was_made_and_is_not_there_is_our_mistake(monkeypatch, tmp_path, said):
    monkeypatch.setattr(native, "_start", lambda *_: builder(""))
    monkeypatch.setattr(native, "cache_folder", lambda: tmp_path)
    with pytest.raises(InternalError):
        native._standard_parts(["kernels"])


def test_a_builder_sees_nothing_of_the_settings_around_it(monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **options: given.update(options))
    for name in ("NUMBA_DISABLE_JIT", "NUMBA_OPT", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "7")
    native._start(CONVENTIONS[0], tmp_path, ["kernels"])
    settings = {name: value for name, value in given["env"].items() if name.startswith(("NUMBA", "PYTHON"))}
    assert settings == {"NUMBA_OPT": "0", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    assert given["cwd"] == tmp_path


def test_notices_go_to_standard_error(capsys):
    notices.notify("compiling")
    out, err = capsys.readouterr()
    assert (out, "compiling" in err) == ("", True)
