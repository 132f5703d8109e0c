"""Making the parts of the native core that the cache lacks, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..contract import InternalError, UsageError
from ..contract.notices import notify
from ..host import Registry
from . import cache
from .cache import Folder
from .native import FAILED, PLAIN, convention
from .native_names import BASE_PARTS, CONVENTIONS, KIND, PROBE_FAILED, STEPS
from .target import Target, aim, target

WORKERS = 2
BUILD_TIMEOUT_S = 600
_MEANWHILE: dict[tuple[object, ...], subprocess.Popen[bytes]] = {}  # by folder and parts


def made_parts(missing: Sequence[str], registry: Registry | None) -> dict[str, bytes]:
    """Parts by name, made now. Those of the standard host (None) are kept; another's modules are made here and for now.

    Raises UsageError("engine_unavailable") where they cannot be made.
    """
    own = [] if registry is None else [part for part in missing if part not in BASE_PARTS]
    found = _made([part for part in missing if part not in own])
    if registry is not None:
        from .native_build import build_part

        found |= {part: build_part(part, registry, convention()) for part in own}
    return found


def make_meanwhile(missing: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Begin to make parts of the standard host in a process that outlives this one; it ends when they are kept, or cannot be.

    None where they could not be kept. What this process has under way is not begun again.
    """
    kept = cache.current()
    if kept is None or not os.access(kept.path, os.W_OK):
        return None
    key = kept.path, *missing
    known = _MEANWHILE.get(key)
    if known is None or known.poll() is not None:
        program = f"from pbs.vm.native_parts import main\nmain({list(missing)!r}, {target()!r})"
        _MEANWHILE[key] = subprocess.Popen(  # noqa: S603 - our own interpreter and our own text
            [sys.executable, "-P", "-c", _FROM_HERE.format(where=_where()) + program],
            cwd=kept.path,
            env=_environment() | {"PBS_CACHE_DIR": str(cache.base().parent)},  # absolute
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and a terminal that is closed are not meant for it
        )
    return _MEANWHILE[key]


def main(missing: Sequence[str], made_for: Target) -> None:
    """What that process does. Whoever misses the parts afterwards makes them again, and then says what fails."""
    aim(made_for)
    made_parts(missing, None)


def _made(missing: Sequence[str]) -> dict[str, bytes]:
    if not missing:
        return {}
    notify(f"compiling {', '.join(missing)} for this machine; this happens once")
    kept = cache.current()
    if kept is not None and os.access(kept.path, os.W_OK):
        return _made_in(kept, missing)
    with tempfile.TemporaryDirectory(prefix="pbs-core-") as made:
        return _made_in(Folder(Path(made)), missing)


def _made_in(folder: Folder, missing: Sequence[str]) -> dict[str, bytes]:
    with folder.made_once(BUILD_TIMEOUT_S) as waited:
        still = [part for part in missing if not waited or folder.read(KIND, part) is None]
        if still:
            _build(folder, still)
    found = {part: folder.read(KIND, part) for part in missing}
    lost = [part for part, data in found.items() if data is None]
    if lost:
        raise InternalError(f"made but not to be read back: {', '.join(lost)}")
    return {part: data for part, data in found.items() if data is not None}


def _build(folder: Folder, missing: Sequence[str]) -> None:
    """Make parts with up to WORKERS processes at a time; steps go together, for they are tried out once made."""
    chosen = convention()
    jobs: list[list[str]] = [[part] for part in missing if part not in STEPS]
    if any(part in STEPS for part in missing):
        jobs.insert(1, list(STEPS))
    queues: list[list[str]] = [[] for _ in range(min(WORKERS, len(jobs)))]
    for job in jobs:  # the longest come first in a core's parts: give each to whoever has least to do
        min(queues, key=lambda queue: sum(_WEIGHT.get(part, 1) for part in queue)).extend(job)
    processes = [_start(chosen, folder, queue) for queue in queues]
    for process in processes:
        try:
            _, errors = process.communicate(timeout=BUILD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        if process.returncode == PROBE_FAILED and chosen != CONVENTIONS[-1]:
            for other in processes:
                other.communicate()
            folder.write(KIND, PLAIN, b"")
            FAILED.add(chosen)
            _build(folder, missing)
            return
        if process.returncode != 0:
            last = errors.strip().splitlines()[-1:] or ["no message"]
            raise UsageError("engine_unavailable", subject="interpreter", details={"reason": last[0][:200]})


_WEIGHT = {"kernels": 6, "gfx": 4, "math": 3, "steps0": 2, "steps1": 2}


def _start(chosen: str, folder: Folder, queue: Sequence[str]) -> subprocess.Popen[str]:
    """A builder process. It stands in the private folder and sees none of numba's or Python's settings around us."""
    program = (
        f"from pbs.vm.native_build import main\nmain({chosen!r}, {str(folder.path)!r}, {list(queue)!r}, {target()!r})"
    )
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-P", "-c", _FROM_HERE.format(where=_where()) + program],
        cwd=folder.path,
        env=_environment() | {"NUMBA_OPT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


_FROM_HERE = "import sys; sys.path.insert(0, {where!r})\nfrom pbs.vm.target import Target\n"


def _where() -> str:
    """Where another process finds this package."""
    package = Path(__file__).resolve().parent.parent
    source = package if package.name != "pbs" else package.parent
    return next((p for p in sys.path if p and (Path(p) / "pbs" / "vm").exists()), str(source))


def _environment() -> dict[str, str]:
    """Ours without settings of numba and Python."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
    return environment | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
