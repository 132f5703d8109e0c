"""`pbs bench compare`: releases in environments of their own, refused where they differ, judged by an interval."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pbs.bench.compare import releases, report
from pbs.bench.compare.intervals import EQUAL, FASTER, SLOWER, UNCLEAR, Interval, intervals
from pbs.contract import UsageError

from .commands import ROOT

ROOMS = ("contract", "isa", "verifier", "host", "loader", "vm", "replay")
QUICK = ("--engine", "reference", "--size", "small", "--rounds", "5")
# Mistakes that a release could make: file, what stands there, what then stands there.
OTHER_DIGEST = (
    "vm/kernels/digest.py",
    "    state[record + R_FRAME] = state[FRAME]\n",
    "    state[record + R_FRAME] = 7\n",
)
OTHER_CYCLES = ("vm/machine.py", "return int(self.state[layout.CYCLES])", "return int(self.state[layout.CYCLES]) + 1")
SLOW = ("vm/machine.py", '        function = self.image.export(export)\n',
        '        function = self.image.export(export)\n        sum(range(20_000_000))\n')  # fmt: skip
LATER = ("contract/release.py", 'VERSION = "', 'VERSION = "9.')


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def change(folder: Path, *mistakes: tuple[str, str, str]) -> None:
    for file, before, after in mistakes:
        text = (folder / file).read_text()
        assert before in text, file
        (folder / file).write_text(text.replace(before, after, 1))


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """The sources in a repository of their own: first as they are, then with a mistake on each branch."""
    folder = tmp_path_factory.mktemp("repository")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "src", folder / "src", symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    git(folder, "init", "-q", "-b", "good")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "good")
    for name, mistake in {"digest": OTHER_DIGEST, "cycles": OTHER_CYCLES, "slow": SLOW, "later": LATER}.items():
        git(folder, "checkout", "-q", "-b", name, "good")
        change(folder, mistake)
        git(folder, "commit", "-q", "-a", "-m", name)
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The sources as a wheel that calls itself 9.0.0."""
    path = tmp_path_factory.mktemp("wheel") / "pbs_machine-9.0.0-py3-none-any.whl"
    files = {"pbs/__init__.py": (ROOT / "src/pbs/__init__.py").read_text()}
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*")):
            if file.suffix in (".py", ".yaml", ".json"):
                files[f"pbs/{file.relative_to(ROOT)}"] = file.read_text()
    files["pbs/contract/release.py"] = '"""Another."""\n\nVERSION = "9.0.0"\n'
    info = "pbs_machine-9.0.0.dist-info"
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: pbs-machine\nVersion: 9.0.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


# ---- releases


def test_a_revision_and_a_wheel_run_in_environments_of_their_own(pbs, repository, wheel):
    result = pbs("bench", "compare", "later", wheel, "fib", "--repository", repository, *QUICK, "--json").shown("bench")
    assert [result[side]["kind"] for side in "ab"] == ["git", "wheel"]
    assert [result[side]["version"] for side in "ab"] == ["9.0.1.0", "9.0.0"]
    assert result["a"]["identity"] == git(repository, "rev-parse", "later")
    (row,) = result["benchmarks"]
    assert (row["name"], len(row["a_seconds"]), len(row["b_seconds"])) == ("fib", 5, 5)
    assert row["low"] <= row["ratio"] <= row["high"]


def test_this_release_is_compared_with_itself_in_every_way_of_naming_it(pbs):
    from pbs.contract.release import VERSION

    names = ("installed", f"=={VERSION}", f"pbs-machine=={VERSION}", sys.executable, sys.prefix)
    kinds = [releases.prepare(name, Path("unused"), Path()).kind for name in names]
    assert kinds == ["installed", "installed", "installed", "python", "python"]
    done = pbs("bench", "compare", "installed", sys.executable, "mix", "pong", "--threshold", "900", *QUICK)
    assert done.code == 0
    assert "results, cycles and digests are equal" in done.out


@pytest.mark.parametrize("spec", ["no-such-branch", "", "--help", "a b", "\0", "no.whl.gz", "HEAD:src"])
def test_what_is_no_release_is_refused(pbs, repository, spec):
    done = pbs("bench", "compare", "--repository", repository, "--json", *QUICK, "--", "installed", spec)
    assert (done.code, done.refused()) == (2, "release_unknown")


def test_a_file_that_is_no_wheel_is_refused(pbs, tmp_path):
    (tmp_path / "a.whl").write_text("no wheel")
    assert pbs("bench", "compare", "installed", "a.whl", *QUICK, "--json").refused() == "release_unknown"
    assert pbs("bench", "compare", "installed", "b.whl", *QUICK, "--json").refused() == "file_missing"


def test_a_revision_without_sources_is_refused(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "nothing")
    with pytest.raises(UsageError) as caught:
        releases.prepare("HEAD", tmp_path / "made", tmp_path)
    assert "src/pbs/__init__.py" in caught.value.diagnostic.details["reason"]


def test_a_release_that_cannot_do_it_is_named(pbs, tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # finds no package at all
    bare.chmod(0o755)
    error = pbs("bench", "compare", "installed", bare, "fib", *QUICK, "--json").error()
    assert (error["code"], error["subject"]) == ("release_unusable", str(bare))
    error = pbs(
        "bench", "compare", "installed", "installed", "fib", "--engine", "bogus", "--size", "small", "--json"
    ).error()
    assert error["code"] == "release_unusable"
    assert "engine_unknown" in error["details"]["reason"]


# ---- what differs is not compared


@pytest.mark.parametrize(
    ("branch", "name", "expected", "found"),
    [
        ("digest", "pong", "frame 0, ", "frame 0, "),
        ("cycles", "fib", "result 610, cycles 37479", "result 610, cycles 37480"),
    ],
)
def test_releases_that_differ_are_not_compared(pbs, repository, branch, name, expected, found):
    done = pbs("bench", "compare", "good", branch, name, "--repository", repository, *QUICK, "--json")
    error = done.error()
    assert (done.code, error["code"], error["subject"]) == (6, "releases_differ", name)
    assert error["required"].startswith(expected)
    assert error["available"].startswith(found)
    assert error["required"] != error["available"]


@pytest.mark.parametrize(("left", "right"), [(["a"], ["b"]), (["a"], ["a", "b"]), (["a", "b"], ["a"])])
def test_more_or_fewer_frames_differ_too(left, right):
    with pytest.raises(Exception, match="releases_differ"):
        report._compare("pong", left, right)


# ---- what is slower


def test_a_slower_release_is_exit_code_8(pbs, repository):
    """A planted burden, many times of what the call takes."""
    done = pbs("bench", "compare", "good", "slow", "fib", "--repository", repository, *QUICK, "--json")
    result = done.shown("bench")
    assert (done.code, result["slower"]) == (8, ["fib", "geomean"])
    assert result["benchmarks"][0]["verdict"] == "slower"
    assert "release_slower" in done.err


def test_a_release_that_prints_is_understood(repository, pbs):
    git(repository, "checkout", "-q", "-B", "loud", "good")
    change(
        repository,
        (
            "src/pbs/__init__.py",
            "from __future__ import annotations\n",
            "from __future__ import annotations\nprint(1)\n",
        ),
    )
    git(repository, "commit", "-q", "-a", "-m", "loud")
    done = pbs(
        "bench", "compare", "loud", "good", "mix", "--repository", repository, "--threshold", "900", *QUICK, "--json"
    )
    assert done.shown("bench")["benchmarks"][0]["name"] == "mix"


# ---- intervals


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.06, 1.2, SLOWER),
        (1.04, 1.2, UNCLEAR),
        (0.97, 1.04, EQUAL),
        (0.8, 0.9, FASTER),
        (0.8, 0.97, UNCLEAR),
        (0.5, 2.0, UNCLEAR),
    ],
)
def test_the_verdict_asks_for_the_whole_interval(low, high, verdict):
    assert Interval((low * high) ** 0.5, low, high).verdict(0.05) == verdict


def test_the_interval_is_the_same_every_time_and_holds_the_ratio():
    noisy = [([1.0, 1.1, 0.9, 1.3, 1.0, 1.2, 0.95], [2.0, 2.1, 1.9, 2.6, 2.2, 2.3, 1.8])]
    (row,), overall = intervals(noisy)
    assert intervals(noisy) == ([row], overall)
    assert row.ratio == 2.1
    assert 1.7 < row.low <= 2.1 <= row.high < 2.5
    assert overall.ratio == pytest.approx(row.ratio)


def test_without_noise_the_interval_is_a_point():
    rows, overall = intervals([([1.0] * 5, [2.0] * 5), ([1.0] * 5, [0.5] * 5)])
    assert [(row.low, row.ratio, row.high) for row in rows] == [(2, 2, 2), (0.5, 0.5, 0.5)]
    assert (overall.low, overall.ratio, overall.high) == pytest.approx((1, 1, 1))


def test_disturbed_pairs_do_not_widen_it():
    """Both releases slow down together; only drawing them as pairs sees that their ratio stays."""
    a = [1.0, 5.0, 1.0, 9.0, 1.0, 3.0, 1.0]
    (row,), _ = intervals([(a, [1.5 * one for one in a])])
    assert (row.low, row.high) == (1.5, 1.5)
