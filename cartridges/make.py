"""Makes what stands beside the sources: each cartridge's program, golden trace, golden digests and picture.

    python -m pbs.cartridges.make            make everything again
    python -m pbs.cartridges.make --check    exit 1 where a program or golden file is not what its source gives

The golden files are the record of what a cartridge does; a change of theirs is a change of behaviour, and belongs into the
changelog. The check does not compare pictures: they show the last frame, which the digests cover.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..console.picture import png
from ..contract.files import write_bytes
from ..loader import assemble, load
from ..replay import Trace, parse_script, record
from ..vm import Machine, Status

ROOT = Path(__file__).parent
CARTRIDGES = {"pong": "rally", "life": "gliders", "orbits": "dance"}  # and the recording of each


def main(arguments: Sequence[str]) -> int:
    """Make or check; the exit code."""
    stale = []
    for path, data in made():
        if path.suffix == ".png" and "--check" in arguments:
            continue
        if path.exists() and path.read_bytes() == data:
            continue
        if "--check" in arguments:
            stale.append(str(path.relative_to(ROOT)))
        else:
            write_bytes(path, data)
            print(f"wrote {path.relative_to(ROOT)}")
    if stale:
        print(f"not what the source gives: {', '.join(stale)}", file=sys.stderr)
    return int(bool(stale))


def made() -> Iterator[tuple[Path, bytes]]:
    """Path and content of every file that is made, programs first."""
    for name in CARTRIDGES:
        source = ROOT / name / f"{name}.pbasm"
        yield ROOT / name / "program.pbx", assemble(source.read_text(encoding="utf-8"), source=source.name)
    for name, take in CARTRIDGES.items():
        golden = ROOT / name / "golden"
        script = parse_script((golden / f"{take}.inputs").read_text(encoding="utf-8"))
        image = load(ROOT / name)
        trace = record(image, script)
        yield golden / f"{take}.pbt", bytes(trace)
        yield golden / f"{take}.digests", digest_lines(trace)
        yield ROOT / name / "picture.png", _picture(trace)


def digest_lines(trace: Trace) -> bytes:
    """The frame digests as text: one line a frame."""
    return "".join(f"{frame} {digest.hex()}\n" for frame, digest in enumerate(trace.digests)).encode("ascii")


def _picture(trace: Trace) -> bytes:
    """What the screen shows when the recording ends."""
    machine = Machine(trace.image(), seed=trace.header.seed)
    machine.run(len(trace), trace.inputs())
    assert trace.status is Status.SYNCED, "a recording ends while the machine goes on"
    return png(machine.screen(), scale=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
