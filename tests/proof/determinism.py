"""R11: nothing around the machine reaches the game.

The golden recordings are replayed in processes of their own, whose surroundings differ: hash seed, language, time zone, threads,
numba's settings, Python's switches, working directory, cache, processor, optimisation. Every two values of any two of these
meet in some process. Every frame's digest and cycles must be those of the recording, and snapshots, programs, cartridges
and refusals the same bytes as here.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random

from pbs.cartridges.make import CARTRIDGES, ROOT

from .checks import Disproved, Fault, Figures, Scale, patched
from .replayed import lines

SHARDS = {Scale.TEST: 1, Scale.SOAK: 8}
SCRIPT = Path(__file__).with_name("replayed.py")
SOURCE = Path(__file__).parents[2] / "src"
BIG_ENDIAN = "PBS_BIG_ENDIAN_PYTHON"  # the command of such an interpreter that has numpy, construct, xxhash ...
PLANT = ""  # source text that the processes run first
TIMEOUT_S = 3600
ATTEMPTS = 40

# Every factor's values; at Scale.TEST the first two of each.
AROUND: Mapping[str, Sequence[str]] = {
    "hash seed": ("0", "1", "random"),
    "language": ("tr_TR.UTF-8", "C", "C.UTF-8", "de_DE@euro", "no such language"),
    "time zone": ("Pacific/Kiritimati", "America/St_Johns", "UTC"),
    "threads": ("1", "8", "2"),
    "python": ("-O", "-I", "", "-OO"),
    "directory": ("read-only", "with settings for numba", "the repository"),
}
NATIVE: Mapping[str, Sequence[str]] = {
    "numba": (
        "NUMBA_DISABLE_JIT=1 NUMBA_OPT=0",
        "NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= NUMBA_OPT=3",
        "",
        "NUMBA_OPT=0",
    ),
    "cache": ("one part missing", "as it is", "empty", "another folder", "none"),
    "target": ("generic, not optimised", "this processor", "generic", "not optimised"),
}
TARGETS: Mapping[str, tuple[str, int] | None] = {
    "this processor": None,
    "generic": ("generic", 2),
    "not optimised": ("", 0),
    "generic, not optimised": ("generic", 0),
}
SETTINGS = "disable_jit: 1\nopt: 0\ncpu_name: generic\n"  # .numba_config.yaml
LEFT_OUT = "random"  # the missing part: the smallest that a cartridge needs

FRAMES = {  # of each recording, on the reference; the interpreter replays them whole
    Scale.TEST: {"life": 5, "orbits": 5, "pong": 30},
    Scale.SOAK: dict.fromkeys(CARTRIDGES, 600),
}
WHOLE = dict.fromkeys(CARTRIDGES, 600)

Variant = Mapping[str, str]


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """Every so manieth process."""
    replays = frames = 0
    for variant in variants(scale)[shard::shards]:
        frames += _require_the_same(variant, scale)
        replays += len(CARTRIDGES)
    figures = {"processes": replays // len(CARTRIDGES), "replays": replays, "frames": frames}
    return figures | (_big_endian() if shard == 0 else {})


def variants(scale: Scale) -> list[Variant]:
    """Surroundings in which every two values of two factors meet; on the reference only those that can concern it."""
    some = slice(2 if scale is Scale.TEST else None)
    around, native = ({name: values[some] for name, values in part.items()} for part in (AROUND, NATIVE))
    return [
        *({"engine": "interpreter", **row} for row in pairwise({**around, **native})),
        *({"engine": "reference", **row} for row in pairwise(around)),
    ]


def pairwise(factors: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rows in which every two values of any two factors meet; always the same, the fewest of some attempts."""
    return min((_pairwise(factors, Random(attempt)) for attempt in range(ATTEMPTS)), key=len)


def _pairwise(factors: Mapping[str, Sequence[str]], rng: Random) -> list[dict[str, str]]:
    pairs = [((a, x), (b, y)) for a, b in combinations(factors, 2) for x in factors[a] for y in factors[b]]
    rng.shuffle(pairs)
    apart = dict.fromkeys(frozenset(pair) for pair in pairs)  # in that order
    rows = []
    while apart:
        row = dict(next(iter(apart)))
        for name in rng.sample([name for name in factors if name not in row], len(factors) - 2):
            fresh = {v: sum(frozenset([(name, v), had]) in apart for had in row.items()) for v in factors[name]}
            row[name] = max(fresh, key=fresh.__getitem__)
        row = {name: row[name] for name in factors}
        for pair in combinations(row.items(), 2):
            apart.pop(frozenset(pair), None)
        rows.append(row)
    return rows


# ---- a process -----------------------------------------------------------------------------------------------------------


def _require_the_same(variant: Variant, scale: Scale) -> int:
    """Replay in these surroundings. The frames that were as they should be."""
    frames = FRAMES[scale] if variant["engine"] == "reference" else WHOLE
    job = {"engine": variant["engine"], "frames": frames, "target": TARGETS[variant.get("target", "this processor")]}
    with tempfile.TemporaryDirectory(prefix="pbs-determinism-") as made:
        environment = _environment(variant, job, Path(made))
        directory = _directory(variant["directory"], Path(made))
        before = sorted(directory.iterdir())
        switches = variant["python"].split()
        found = _run([sys.executable, *switches, str(SCRIPT)], job, variant, environment, directory)
        if sorted(directory.iterdir()) != before:
            raise Disproved(f"{variant}: something was left in the working directory")
    _compare(found, _expected(tuple(frames.items())), variant)
    return sum(frames.values())


def _environment(variant: Variant, job: Mapping[str, object], made: Path) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON", "LC_", "LANG"))}
    cache = variant.get("cache", "as it is")
    if cache in ("one part missing", "another folder"):
        copy = {"copy_to": str(made / "cache"), "without": LEFT_OUT if cache == "one part missing" else ""}
        _run([sys.executable, str(SCRIPT)], {**job, **copy}, variant, environment, made)
    elif cache == "none":
        (made / "cache").write_text("a file where the folder should be")
    if cache != "as it is":
        environment["PBS_CACHE_DIR"] = str(made / "cache")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), variant["threads"])
    numba = dict(setting.split("=") for setting in variant.get("numba", "").split())
    environment |= {"LANG": variant["language"], "LC_ALL": variant["language"], "TZ": variant["time zone"]}
    return environment | threads | numba | {"PYTHONHASHSEED": variant["hash seed"]}


def _directory(kind: str, made: Path) -> Path:
    if kind == "the repository":
        return SOURCE.parent
    directory = made / "here"
    directory.mkdir()
    if kind == "read-only":
        directory.chmod(0o555)
    else:
        (directory / ".numba_config.yaml").write_text(SETTINGS)
    return directory


def _run(
    command: Sequence[str], job: Mapping[str, object], variant: Variant, environment: Mapping[str, str], directory: Path
) -> list[str]:
    """The lines that the process prints."""
    whole = {"source": str(SOURCE), "root": str(ROOT), "plant": PLANT, **job}
    done = subprocess.run(
        [*command, json.dumps(whole)],
        env=environment, cwd=directory, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Disproved(f"{variant}: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.splitlines()


# ---- what it should come to ----------------------------------------------------------------------------------------------


@cache
def _expected(frames: tuple[tuple[str, int], ...]) -> list[str]:
    """The lines that every process must print: frames as recorded, and what this process makes of the rest."""
    found = []
    for name, count in sorted(frames):
        for line in lines(ROOT / name, "interpreter", count):
            recorded = _recorded(name, line)
            if recorded not in line:
                raise Disproved(f"this process: {line}, but recorded: {recorded}")
            found.append(line)
    return found


def _recorded(name: str, line: str) -> str:
    """The recorded digest of the frame that the line is about; nothing for other lines."""
    _, what, _ = line.split(": ")
    kind, _, number = what.partition(" ")
    if kind != "frame":
        return ""
    digests = (ROOT / name / "golden" / f"{CARTRIDGES[name]}.digests").read_text(encoding="ascii").splitlines()
    return digests[int(number)].split()[1]


def _compare(found: Sequence[str], wanted: Sequence[str], variant: Variant) -> None:
    for line, other in zip(wanted, found, strict=False):
        if line != other:
            raise Disproved(f"{variant}: {other}, but here {line}")
    if len(found) != len(wanted):
        raise Disproved(f"{variant}: {len(found)} lines of {len(wanted)}")


def _big_endian() -> dict[str, int]:
    """The reference on a processor of the other byte order, where the surroundings name one: docs/testing.md."""
    command = os.environ.get(BIG_ENDIAN)
    if not command:
        return {}
    frames = FRAMES[Scale.TEST]
    job = {"engine": "reference", "frames": frames, "target": None}
    variant = {BIG_ENDIAN: command}
    words = shlex.split(command)
    order = subprocess.run(
        [*words, "-c", "import sys; print(sys.byteorder)"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    if order.stdout.strip() != "big":
        raise Disproved(f"{variant} is no big-endian interpreter")
    _compare(
        _run([*words, str(SCRIPT)], job, variant, os.environ, SOURCE.parent), _expected(tuple(frames.items())), variant
    )
    return {"big-endian frames": sum(frames.values())}


# ---- faults --------------------------------------------------------------------------------------------------------------

_PLANTS = {
    "a serialiser that writes a set as it comes": """
import pbs.loader.manifest
pbs.loader.manifest.sorted = list
""",
    "a seed that depends on the time zone": """
import time
from pbs.vm import Machine
power_on = Machine._power_on
def wrong(machine):
    machine.seed += time.timezone
    power_on(machine)
Machine._power_on = wrong
""",
    "a builder that sees the settings around it": """
import os, subprocess
start = subprocess.Popen
subprocess.Popen = lambda *given, **options: start(*given, **{**options, "env": dict(os.environ)})
""",
    "an engine that rounds in its own way": """
import math
from pbs.vm.exact_words import ExactWords
multiply = ExactWords.fmul
ExactWords.fmul = lambda self, a, b: math.nextafter(multiply(self, a, b), math.inf)
""",
    "a file in the working directory": "open('left', 'w').close()",
}


def planted() -> list[Fault]:
    """Faults of processes that this check must find."""
    return [Fault(name, patched(sys.modules[__name__], "PLANT", text)) for name, text in _PLANTS.items()]
