"""From what the user wrote to an environment in which that release runs.

A wheel, a git revision, a version to be had from the package index, another Python that has PBS installed, or `installed`:
this very one. Wheels, revisions and versions get an environment of their own, which shares this one's other packages: it is made
in a second or two, and what differs between two releases is PBS alone.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import site
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...contract import UsageError
from ...contract.files import read_bytes

INSTALLED = "installed"
DISTRIBUTION = "pbs-machine"
_VERSION = re.compile(rf"(?:{DISTRIBUTION})?==\s*([0-9][0-9A-Za-z.+!-]*)")
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that can be run. identity: commit, digest of the wheel, or version; what makes it that one and no other."""

    spec: str
    kind: str  # git, wheel, version, python, installed
    identity: str
    python: Path
    home: Path | None  # the folder from which it must be imported; None where that is up to its Python


def prepare(spec: str, folder: Path, repository: Path) -> Release:
    """The release in an environment, made inside `folder` where it needs one of its own.

    Raises UsageError("release_unknown") for what is none of the above, Rejected for a wheel that cannot be read.
    """
    if spec == INSTALLED:
        return _this(spec)
    if spec.endswith(".whl"):
        return _wheel(spec, folder)
    python = _python_of(Path(spec))
    if python is not None:
        return Release(spec=spec, kind="python", identity=str(spec), python=python, home=None)
    wanted = _VERSION.fullmatch(spec)
    if wanted is not None:
        return _this(spec) if _has(wanted[1]) else _version(spec, wanted[1], folder)
    return _revision(spec, folder, repository)


def _this(spec: str) -> Release:
    return Release(spec=spec, kind="installed", identity=_installed() or "", python=Path(sys.executable), home=None)


def _installed() -> str | None:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def _has(wanted: str) -> bool:
    return _installed() == wanted


def _python_of(path: Path) -> Path | None:
    """The interpreter at this path, or of the environment in this folder; None where there is none."""
    names = ("bin/python", "Scripts/python.exe")
    candidates = [path / name for name in names] if os.path.isdir(path) else [path]
    return next((p for p in candidates if os.path.isfile(p) and os.access(p, os.X_OK)), None)


# ---- wheels and versions


def _wheel(spec: str, folder: Path) -> Release:
    digest = hashlib.sha256(read_bytes(Path(spec))).hexdigest()
    python, packages = _environment(folder)
    _pip(spec, ["--no-index", str(Path(spec).resolve())], packages)
    return Release(spec=spec, kind="wheel", identity=digest, python=python, home=packages)


def _version(spec: str, wanted: str, folder: Path) -> Release:
    python, packages = _environment(folder)
    _pip(spec, [f"{DISTRIBUTION}=={wanted}"], packages)
    return Release(spec=spec, kind="version", identity=wanted, python=python, home=packages)


def _pip(spec: str, what: Sequence[str], packages: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    _run(spec, [*command, "--target", str(packages), *what])


# ---- git


def _revision(spec: str, folder: Path, repository: Path) -> Release:
    git = ["git", "-C", str(repository)]
    commit = _run(spec, [*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{spec}^{{commit}}"])
    identity = commit.decode("ascii").strip()
    _run(spec, [*git, "cat-file", "-e", f"{identity}:src/pbs/__init__.py"])
    tree = folder / "tree"
    archive = _run(spec, [*git, "archive", "--format=tar", identity])
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tree, filter="data")
    python, _ = _environment(folder, tree / "src")
    return Release(spec=spec, kind="git", identity=identity, python=python, home=tree)


# ---- environments


def _environment(folder: Path, *first: Path) -> tuple[Path, Path]:
    """A new environment: its Python, and where its packages go. Behind `first` it finds the packages of this one."""
    home = folder / "environment"
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(home)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    ours = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()])
    paths = [*map(str, first), *ours]
    (packages / "release.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"), packages


def _run(spec: str, command: Sequence[str]) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - git or pip, with what the user named
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise _unknown(spec, type(error).__name__) from None
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"no such {command[0]} revision"]
        raise _unknown(spec, last[0])
    return done.stdout


def _unknown(spec: str, reason: str) -> UsageError:
    return UsageError("release_unknown", subject=spec, details={"reason": reason[:200]})
