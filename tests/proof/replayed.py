"""What `determinism` starts, each time in other surroundings: replays golden recordings and prints what they come to.

Run by its path, with what to do as JSON; it knows nothing of the tests around it. A line is a name, what was looked at, and what
that came to.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path


def main(job: dict) -> None:
    """Do a job: replay, or copy the native core to a cache folder of its own."""
    sys.path.insert(0, job["source"])
    if job["target"]:
        from pbs.vm import target

        ours = target.target()
        cpu, level = job["target"]
        target.aim(target.Target(cpu=cpu or ours.cpu, features="" if cpu else ours.features, level=level))
    exec(job["plant"], {})
    if "copy_to" in job:
        copy_core(job)
        return
    for name, frames in sorted(job["frames"].items()):
        print("\n".join(lines(Path(job["root"]) / name, job["engine"], frames)))


def lines(folder: Path, engine: str, frames: int) -> list[str]:
    """Every frame's digest and cycles, and what else is made of a cartridge."""
    import pbs
    from pbs.loader.cartridge import encode_cartridge, read_directory
    from pbs.loader.manifest import parse_manifest

    trace = pbs.Trace.read(next((folder / "golden").glob("*.pbt")))
    machine = trace.machine(trace.image(), engine)
    rows = []
    for frame in machine.run(frames, list(trace.inputs())[:frames]):
        rows.append((f"frame {frame.frame}", f"{frame.digest.hex()} {frame.cycles}"))
    rows.append((f"snapshot after {frames}", _sha(bytes(machine.snapshot()))))
    source = folder / f"{folder.name}.pbasm"
    rows.append(("program", _sha(pbs.assemble(source.read_text(encoding="utf-8"), source=source.name))))
    rows.append(("cartridge", _sha(encode_cartridge(read_directory(folder).members))))
    manifest = (folder / "manifest.yaml").read_text(encoding="utf-8")
    try:
        parse_manifest(manifest.replace('"1.0.0"', '"1.0"').encode())  # no versions: much to say
    except pbs.PbsError as refused:
        rows.append(("refusal", _sha(repr([refused.diagnostic, *refused.findings]).encode())))
    return [f"{folder.name}: {what}: {value}" for what, value in rows]


def copy_core(job: dict) -> None:
    """A cache folder with the core that the cartridges need, one part left out if so asked; made first where it is missing."""
    import pbs
    from pbs.vm import cache

    for name in sorted(job["frames"]):
        pbs.Machine(pbs.load(Path(job["root"]) / name), engine="interpreter")
    folder = Path(job["copy_to"]) / "runtimes" / cache.runtime()
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    for part in cache.current().path.glob("native.*"):
        if part.name != f"native.{job['without']}":
            shutil.copy(part, folder)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
