"""R7 to R10: no file crashes, hangs or fools the machine.

Every byte of every file is damaged in every way of `mutants`, raw and sealed again, and manifests are misspelled in all ways
of `manifests`. Each time one of two things must come of it, soon: a registered code of the input's families, or a file that is
what its bytes say (written again it is the same), which both engines then play alike.

The files are those that are shipped, and the same of a small cartridge, the world, that has something of everything: of it
every damaged file that is taken runs on the reference engine first, which looks at everything. At Scale.TEST a byte is
changed in one way, which depends on its place, and sealed again: every byte of the world's files but names and lines, every
few bytes of the larger ones, of files inside of others, and of what repeats (rows, pixels, cells).
"""

from __future__ import annotations

import json
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pbs.contract import PbsError, strict_yaml
from pbs.contract.diagnostics import registry
from pbs.isa import container
from pbs.isa.program import Program
from pbs.loader import Image, assemble, load
from pbs.loader.cartridge import decode_cartridge, encode_cartridge, read_directory
from pbs.loader.loading import load_cartridge
from pbs.loader.manifest import parse_manifest
from pbs.replay import Trace, record, replay
from pbs.vm import Machine, Snapshot, Status, layout
from tests.support.compare import dump
from tests.unit.vm.world import LIMITS, inputs

from . import manifests
from .checks import Disproved, Figures, Scale
from .hostile_faults import planted
from .mutants import BITS, KINDS, SEALS, Mutant
from .remembering import remembering

__all__ = ["SHARDS", "check", "planted"]

SHARDS = {Scale.TEST: 6, Scale.SOAK: 120}
SHIPPED = Path(__file__).resolve().parents[2] / "cartridges"
WORLD = "world"
SECONDS = 5  # of processor time that one damaged file may cost; it is milliseconds
FRAMES, BUDGET, TICKS = 2, 20_000, 2  # what is played of what is still accepted
INTO_THE_GAME = 40  # frames, where the snapshots are taken
SHORT = 8  # frames of a trace that is short enough to be replayed again and again
REFUSALS = {3}
# Paths that meet, both of which are gone in two frames: a changed opcode on one of them leaves another height or type. Each round
# is an odd number of bytes, so that the shards all have some of it.
PATHS = (
    '.target profile "core" "1.0.0"\n.strip\n.global n: int\n.func main()\n'
    + 12 * "PUSH 1\n"
    + "POP_N 12\nagain:\n"
    + "".join(
        f"GET_GLOBAL n\nPUSH {i}\nEQ\nJMP_IF_TRUE a{i}\nPUSH {i + 1}\nPUSH 99\nMIN\nJMP b{i}\n"
        f"a{i}:\nPUSH 50\nPUSH 7\nADD\nb{i}:\nSET_GLOBAL n\nPUSH true\nPOP\n"
        for i in range(8)
    )
    + "FRAME_SYNC\nJMP again\n.end\n"
)
REPLAYED = {3, 4, 6}  # exit codes: also a limit that is reached, and another run than the recorded one
SAMPLE = {Scale.TEST: 16, Scale.SOAK: 64}  # of the files that are taken, each so many-th is played on the reference
PLAYED = {Scale.TEST: 8, Scale.SOAK: 1}  # ... and on the interpreter
PLAYED_ONCE = 32  # ... of those that differ in a pixel, or in a byte of a file inside of another
PLAIN = 8  # one shard in so many remembers nothing, at Scale.SOAK
FAILURES = (Exception,)  # whatever is not a coded refusal disproves the promise


@dataclass(frozen=True, kw_only=True)
class File:
    """A good file. take: reads such a file, and plays it if told so, on the reference as well if told that too."""

    name: str
    kind: str
    data: bytes
    take: Callable[[bytes, bool, bool], None]
    codes: frozenset[int] = frozenset(REFUSALS)
    steps: tuple[tuple[int, int, int], ...] = ()  # (first, end, step): what repeats
    is_small: bool = False
    more: tuple[str, ...] = ()  # ways to change a byte besides the one, at Scale.TEST
    once: tuple[tuple[int, int, int], ...] = ()  # changed in one way only, at every scale
    sparse: tuple[
        tuple[int, int, int], ...
    ] = ()  # where every byte of another file is changed, and only some of this one

    def is_once(self, at: int) -> bool:
        """Whether this byte is changed in one way only, at every scale."""
        return any(first <= at < end for first, end, _ in self.once)

    def places(self, scale: Scale) -> Iterator[int]:
        """The bytes to be changed."""
        at = 0
        while at < len(self.data):
            yield at
            steps = self.steps if scale is Scale.TEST else self.sparse
            at += next((step for first, end, step in steps if first <= at < end), 1)


def check(scale: Scale, shard: int, shards: int) -> Figures:
    """One in `shards` of all damaged files. Raises Disproved with the file and the damage."""
    counted: Counter[str] = Counter()
    with nullcontext() if scale is Scale.SOAK and shard % PLAIN == 0 else remembering():
        for number, (name, data, wanted) in enumerate(_misspelled(scale)):
            if number % shards == shard:
                _manifest(name, data, wanted, counted)
        for file in files():
            seal = SEALS[file.kind](file.data)
            for place, at in enumerate(islice(file.places(scale), shard, None, shards)):
                for number, mutant in enumerate(_mutants(file, at, scale)):
                    damaged = mutant.of(file.data, seal)
                    if damaged != file.data:
                        _damaged(file, mutant, damaged, place + number, scale, counted)
    return counted


def _mutants(file: File, at: int, scale: Scale) -> Iterator[Mutant]:
    """What is tried at one byte."""
    has_seal = file.kind != "manifest"
    if has_seal or scale is Scale.SOAK or at % 7 == 0:
        yield Mutant(kind="cut", at=at, sealed=False)
    for kind in (BITS[(5 * at + at // 8) % 8], *file.more) if scale is Scale.TEST or file.is_once(at) else KINDS:
        if not has_seal or scale is Scale.SOAK:
            yield Mutant(kind=kind, at=at, sealed=False)
        if has_seal:
            yield Mutant(kind=kind, at=at, sealed=True)


def _damaged(file: File, mutant: Mutant, data: bytes, number: int, scale: Scale, counted: Counter[str]) -> None:
    turn = PLAYED_ONCE if scale is Scale.SOAK and file.is_once(mutant.at) else PLAYED[scale]
    small = file.is_small and turn != PLAYED_ONCE
    play = small or number % turn == 0
    on_both = small or number % (SAMPLE[scale] * turn) == 0
    with _said(f"{file.name}: {mutant}"):
        code = _outcome(file, data, play, on_both)
        if code is None and not mutant.sealed and file.kind != "manifest":
            raise Disproved("damage that is not sealed goes unnoticed")
    counted["files"] += 1
    counted["sealed again"] += mutant.sealed
    counted["refused" if code else "taken"] += 1
    counted["played by both engines"] += code is None and on_both


def _outcome(file: File, data: bytes, play: bool, on_both: bool) -> str | None:
    """The code with which the file is refused, or None; in bounded time."""
    start = time.process_time()
    try:
        file.take(data, play, on_both)
    except PbsError as error:
        if error.code not in registry() or error.exit_code not in file.codes:
            raise Disproved(f"{error.code} is no refusal") from None
        return error.code
    finally:
        if (spent := time.process_time() - start) > SECONDS:
            raise Disproved(f"it takes {spent:.1f} s")
    return None


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Put in front of a failure what was tried."""
    try:
        yield
    except FAILURES as problem:
        raise Disproved(f"{what}: {type(problem).__name__}: {problem}") from problem


# ---- what is accepted


def _engines(image: Image) -> Callable[[str], Machine]:
    return lambda engine: Machine(image, engine=engine)


def _plays(start: Callable[[str], Machine], on_both: bool) -> None:
    """It is an image like any other: some frames of it, on the engine that checks before the one that does not."""
    seen = []
    for engine in ("reference", "interpreter") if on_both else ("interpreter",):
        machine = start(engine)
        results = []
        while len(results) < FRAMES and not machine.ended and not machine.in_frame:
            result = machine.run_frame(ticks=TICKS, budget=BUDGET)
            results.append(replace(result, ticks=0))
        seen.append((results, dump(machine) if on_both else None))
    if any(one != seen[0] for one in seen):
        raise Disproved("the engines part")


def _program(limits: Any) -> Callable[[bytes, bool, bool], None]:
    """What differs in names and lines only is the same to a machine, and played once."""
    played: set[tuple[Program, str]] = set()

    def take(data: bytes, play: bool, on_both: bool) -> None:
        image = load(data, limits=limits)
        if play:
            if container.encode(container.decode(data)) != data:
                raise Disproved("written again it is another file")
            nameless = replace(image.program, debug=None), repr(image.program.constants)  # 1 and 1.0 are equal
            if nameless not in played:
                _plays(_engines(image), on_both)
                played.add(nameless)

    return take


def _cart(data: bytes, play: bool, on_both: bool) -> None:
    if data[:4] != b"PBSC":
        load(data)  # so it is no cartridge
        raise Disproved("a cartridge by another name is taken")
    cartridge = decode_cartridge(data)
    if encode_cartridge(cartridge.members) != data:
        raise Disproved("written again it is another file")
    image = load_cartridge(cartridge)
    if play:
        _plays(_engines(image), on_both)


def _read_trace(data: bytes, _play: bool, _on_both: bool) -> None:
    if bytes(Trace.read(data)) != data:
        raise Disproved("written again it is another file")


def _replayed(good: Trace, image: Image) -> Callable[[bytes, bool, bool], None]:
    """A trace that says something else is found out; only what the game does not look at may differ."""

    def take(data: bytes, _play: bool, on_both: bool) -> None:
        trace = Trace.read(data)
        if bytes(trace) != data:
            raise Disproved("written again it is another file")
        replay(
            trace,
            image if trace.header.cartridge == good.header.cartridge else None,
            engine="reference" if on_both else "auto",
        )
        if trace.digests != good.digests or np.any(trace.rows["cycles"] != good.rows["cycles"]):
            raise Disproved("a replay is as recorded that was not recorded")

    return take


def _snapshot(image: Image) -> Callable[[bytes, bool, bool], None]:
    """Every snapshot goes to the same machines, wherever the one before it left them."""
    machines = cache(_engines(image))

    def take(data: bytes, play: bool, on_both: bool) -> None:
        given = Snapshot.read(data, image)

        def restored(engine: str) -> Machine:
            machine = machines(engine)
            machine.restore(given)
            if bytes(machine.snapshot()) != data:
                raise Disproved("taken again it is another snapshot")
            return machine

        if play:
            _plays(restored, on_both)

    return take


def _in_cartridge(members: dict[str, bytes]) -> Callable[[bytes, bool, bool], None]:
    def take(data: bytes, play: bool, on_both: bool) -> None:
        image = load(encode_cartridge({**members, manifests.NAME: data}))
        if play:
            _plays(_engines(image), on_both)

    return take


def _misspelled(scale: Scale) -> Iterator[tuple[str, bytes, str]]:
    """All of them; at Scale.TEST one in thirteen of those that differ in a value."""
    for number, row in enumerate(manifests.manifests()):
        if scale is Scale.SOAK or row[2] != manifests.AS_JSON or number % 13 == 0:
            yield row


def _manifest(name: str, data: bytes, wanted: str, counted: Counter[str]) -> None:
    """It is refused, or means what every reader of it would say."""
    members = manifests.members()

    def take(data: bytes, _play: bool, _on_both: bool) -> None:
        image = load(encode_cartridge({**members, manifests.NAME: data}))
        if wanted == manifests.REFUSED:
            raise Disproved("it is taken")
        if wanted == manifests.SAME and image.manifest != parse_manifest(members[manifests.NAME]):
            raise Disproved("it means something else")
        if wanted == manifests.AS_JSON and repr(strict_yaml.parse(data)) != repr(json.loads(data)):
            raise Disproved("another reader reads something else")
        _plays(_engines(image), True)

    with _said(f"manifest: {name}"):
        code = _outcome(File(name=name, kind="manifest", data=data, take=take), data, True, True)
        if code is not None and (
            wanted == manifests.SAME or (wanted == manifests.REFUSED and code != "manifest_invalid")
        ):
            raise Disproved(f"it is refused with {code}")
    counted["manifests"] += 1
    counted["manifests refused" if code else "manifests taken"] += 1


# ---- the files


@cache
def files() -> tuple[File, ...]:
    """The world's first: what goes wrong is found there soonest."""
    names = sorted(path.parent.name for path in SHIPPED.glob("*/manifest.yaml"))
    paths = File(
        name="paths that meet",
        kind="program",
        data=assemble(PATHS),
        take=_program(LIMITS),
        is_small=True,
        more=("bit 4", "minus one"),
    )
    return (paths, *(file for name in (WORLD, *names) for file in _files_of(name)))


def _files_of(name: str) -> Iterator[File]:
    small = name == WORLD
    members = dict(manifests.members() if small else read_directory(SHIPPED / name).members)
    program, cart = members["program.pbx"], encode_cartridge(members)
    image = load(cart)
    machine = Machine(image)
    machine.run(INTO_THE_GAME)
    snapshot = bytes(machine.snapshot())
    pixels = len(snapshot) - 8 * layout.PIXEL_WORDS
    drawn = ((pixels, len(snapshot), 1021),)
    golden = next((SHIPPED / name / "golden").glob("*.pbt"), None)
    whole = record(image, inputs(SHORT)) if golden is None else Trace.read(golden)
    trace = replace(whole, rows=whole.rows[:SHORT], status=Status.SYNCED)
    yield File(
        name=f"{name} snapshot",
        kind="snapshot",
        data=snapshot,
        take=_snapshot(image),
        is_small=small,
        steps=(*drawn, (2048, pixels, 1 if small else 29)),
        once=drawn,
        sparse=() if small else drawn,
    )
    yield File(
        name=f"{name} program",
        kind="program",
        data=program,
        take=_program(image.limits),
        is_small=small,
        steps=_sections(
            program, {container.DEBUG: 2} if small else {container.CODE: 7, container.DEBUG: 29}, 1 if small else 3
        ),
    )
    inner = _inner(cart, *members.values())
    yield File(name=f"{name} cart", kind="cart", data=cart, take=_cart, steps=inner, once=inner)
    for kind, one, take in (("short trace", trace, _replayed(trace, image)), ("trace", whole, _read_trace)):
        rows = len(bytes(one)) - 20 - 4 - 32 * len(one)
        inner = _inner(bytes(one), one.header.cartridge)
        yield File(
            name=f"{name} {kind}",
            kind="trace",
            data=bytes(one),
            take=take,
            codes=frozenset(REPLAYED),
            once=inner,
            steps=(*inner, (rows, rows + 32 * len(one), 1 if one is trace else 11)),
        )
    yield File(
        name=f"{name} manifest",
        kind="manifest",
        data=members[manifests.NAME],
        take=_in_cartridge(members),
        is_small=small,
        steps=() if small else ((0, len(members[manifests.NAME]), 2),),
    )


def _inner(whole: bytes, *files_in_it: bytes) -> tuple[tuple[int, int, int], ...]:
    """Files stand by themselves elsewhere; inside of others every few bytes do."""
    return tuple((whole.index(one), whole.index(one) + len(one), 61) for one in files_in_it)


def _sections(program: bytes, steps: Mapping[int, int], other: int) -> tuple[tuple[int, int, int], ...]:
    """A step for each section."""
    count = struct.unpack_from("<I", program, 12)[0]
    rows = struct.iter_unpack("<IIII", program[20 : 20 + 16 * count])
    return tuple((offset, offset + length, steps.get(kind, other)) for kind, offset, length, _ in rows)
