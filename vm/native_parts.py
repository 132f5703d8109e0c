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
from .native_build import build_part
from .native_names import BASE_PARTS, CONVENTIONS, KIND, PROBE_FAILED, STEPS
from .target import target

WORKERS = 2
BUILD_TIMEOUT_S = 600


def made_parts(missing: Sequence[str], registry: Registry | None) -> dict[str, bytes]:
    """Parts by name, made now. Those of the standard host (None) are kept; another's modules are made here and for now.

    Raises UsageError("engine_unavailable") where they cannot be made.
    """
    own = [] if registry is None else [part for part in missing if part not in BASE_PARTS]
    found = _made([part for part in missing if part not in own])
    if registry is not None:
        found |= {part: build_part(part, registry, convention()) for part in own}
    return found


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
    _build(folder, missing)
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
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
    environment |= {"NUMBA_OPT": "0", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    package = Path(__file__).resolve().parent.parent
    source = package if package.name != "pbs" else package.parent
    where = next((p for p in sys.path if p and (Path(p) / "pbs" / "vm").exists()), str(source))
    program = (
        f"import sys; sys.path.insert(0, {where!r})\n"
        f"from pbs.vm.native_build import main\n"
        f"from pbs.vm.target import Target\n"
        f"main({chosen!r}, {str(folder.path)!r}, {list(queue)!r}, {target()!r})"
    )
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own text
        [sys.executable, "-P", "-c", program],
        cwd=folder.path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
