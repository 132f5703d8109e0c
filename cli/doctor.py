"""`pbs doctor`: look at this installation."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import click

from ..contract.release import VERSION
from .options import JSON
from .output import print_json, say

OK, ADVISORY, WARNING, ERROR = "ok", "advisory", "warning", "error"
Finding = tuple[str, str, str, str]  # check, severity, message, hint

_TESTED = {"numba": "0.68", "llvmlite": "0.50", "numpy": "2."}


@click.command()
@JSON
def command(as_json: bool) -> int:
    """Check what PBS needs: Python, packages, the compiled core, screen and terminal. Exit code 3 where something fails."""
    findings = list(_checks())
    failed = any(severity == ERROR for _, severity, _, _ in findings)
    if as_json:
        rows = [{"check": c, "severity": s, "message": m, "hint": h} for c, s, m, h in findings]
        print_json("doctor", {"verb": "doctor", "release": VERSION, "healthy": not failed, "findings": rows})
    else:
        for check, severity, message, hint in findings:
            say(f"{severity:8} {check:12} {message}")
            if hint and severity != OK:
                say(f"{'':21} hint: {hint}")
    return 3 if failed else 0


def _checks() -> Iterator[Finding]:
    yield _python()
    for package, tested in _TESTED.items():
        yield _package(package, tested)
    yield from _core()
    yield _environment()
    yield _screen()
    yield _terminal()


def _python() -> Finding:
    text = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    return "python", OK if good else ERROR, text, "PBS needs Python 3.11 or newer"


def _package(name: str, tested: str) -> Finding:
    try:
        have = version(name)
    except PackageNotFoundError:
        return (
            name,
            ERROR,
            "not installed",
            f"pip install -c constraints.txt {name}; --engine reference works without it",
        )
    if not have.startswith(tested):
        return name, WARNING, f"{have}; tested with {tested}", "install the version in constraints.txt"
    return name, OK, have, ""


def _core() -> Iterator[Finding]:
    if find_spec("numba") is None or find_spec("llvmlite") is None:
        yield "core", ERROR, "the interpreter cannot be compiled", "install numba and llvmlite"
        return
    from ..vm import cache
    from ..vm.native import convention
    from ..vm.native_names import BASE_PARTS, KIND

    folder = cache.current()
    if folder is None:
        yield (
            "core",
            WARNING,
            "no private cache folder; the interpreter is compiled at every start",
            "chmod 700 the cache folder",
        )
        return
    made = [entry.key for entry in cache.entries() if entry.is_current and entry.kind == KIND]
    missing = [part for part in BASE_PARTS if part not in made]
    text = (
        f"not compiled yet; the first run takes some seconds ({folder.path})"
        if missing
        else f"compiled: {', '.join(made)} ({folder.path})"
    )
    yield "core", ADVISORY if missing else OK, text, "pbs run compiles it"
    yield "convention", OK, convention(), ""


def _environment() -> Finding:
    foreign = sorted(name for name in os.environ if name.startswith("NUMBA_"))
    here = Path(".numba_config.yaml").exists()
    if foreign or here:
        what = ", ".join([*foreign, *([".numba_config.yaml"] if here else [])])
        return (
            "environment",
            ADVISORY,
            f"settings of numba around: {what}",
            "PBS compiles in a clean process and ignores them",
        )
    return "environment", OK, "nothing unusual", ""


def _screen() -> Finding:
    if find_spec("pygame") is None:
        return "window", ADVISORY, "pygame-ce is not installed", "pip install 'pbs-machine[window]' brings a window"
    has = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("win32", "darwin"))
    return "window", OK if has else ADVISORY, "available" if has else "no display", "games are shown in the terminal"


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return "terminal", OK, "output is no terminal", ""
    colors = "24-bit colour" if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") else "256 colours"
    text = f"{size.columns} by {size.lines} characters, {colors}"
    return "terminal", OK if size.columns >= 80 else ADVISORY, text, "a larger terminal shows more of the picture"
