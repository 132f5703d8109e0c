"""The shipped cartridges do what their golden files say: programs, traces, digests, on both engines, in both forms."""

from pathlib import Path

import pytest
from PIL import Image as Picture

import pbs
from pbs.cartridges.make import CARTRIDGES, ROOT, digest_lines, made
from pbs.contract import Diverged, Rejected
from pbs.loader.cartridge import encode_cartridge, read_directory
from pbs.replay import parse_script
from pbs.vm import Machine

ENGINES = ("reference", "interpreter", "compiled")


def golden(name: str, suffix: str) -> Path:
    return ROOT / name / "golden" / f"{CARTRIDGES[name]}.{suffix}"


def test_every_cartridge_is_listed():
    assert {path.parent.name for path in ROOT.glob("*/manifest.yaml")} == set(CARTRIDGES)


def test_programs_and_golden_files_are_what_the_sources_give():
    compared = 0
    for path, data in made():
        if path.suffix != ".png":
            assert path.read_bytes() == data, path
            compared += 1
    assert compared == 3 * len(CARTRIDGES)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CARTRIDGES)
def test_the_golden_trace_replays(name, engine):
    trace = pbs.Trace.read(golden(name, "pbt"))
    assert digest_lines(trace) == golden(name, "digests").read_bytes()
    report = pbs.replay(trace, pbs.load(ROOT / name), engine=engine)
    assert (report.frames, report.engine, report.complete) == (600, engine, True)
    assert report.digest == trace.digests[-1]


@pytest.mark.parametrize("name", CARTRIDGES)
def test_the_golden_trace_holds_the_input_script(name):
    trace = pbs.Trace.read(golden(name, "pbt"))
    assert list(trace.inputs()) == parse_script(golden(name, "inputs").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CARTRIDGES)
def test_a_flat_cartridge_is_the_same_cartridge(name):
    folder = read_directory(ROOT / name)
    flat = pbs.load(encode_cartridge(folder.members))
    assert flat.digest == folder.digest == pbs.load(ROOT / name).digest
    assert pbs.replay(pbs.Trace.read(golden(name, "pbt")), flat).frames == 600


@pytest.mark.parametrize("name", CARTRIDGES)
def test_the_trace_carries_its_cartridge(name):
    trace = pbs.Trace.read(golden(name, "pbt"))
    assert trace.image().digest == pbs.load(ROOT / name).digest


def test_another_cartridge_is_refused():
    with pytest.raises(Rejected) as refused:
        pbs.replay(pbs.Trace.read(golden("pong", "pbt")), pbs.load(ROOT / "life"))
    assert refused.value.code == "trace_cartridge_mismatch"


@pytest.mark.parametrize("name", CARTRIDGES)
def test_one_other_input_diverges_where_it_is_given(name):
    """The digests see what a player does, at once: the input itself is part of them."""
    trace = pbs.Trace.read(golden(name, "pbt"))
    rows = trace.rows.copy()
    rows["held"][300] ^= 1
    changed = pbs.Trace(header=trace.header, rows=rows, status=trace.status)
    with pytest.raises(Diverged) as diverged:
        pbs.replay(changed)
    assert diverged.value.diagnostic.subject == "frame 300"


@pytest.mark.parametrize("name", CARTRIDGES)
def test_the_picture_shows_the_last_frame(name):
    trace = pbs.Trace.read(golden(name, "pbt"))
    machine = Machine(trace.image(), seed=trace.header.seed)
    machine.run(len(trace), trace.inputs())
    from pbs.console.picture import to_rgb

    with Picture.open(ROOT / name / "picture.png") as picture:
        assert picture.size == (640, 360)
        smaller = picture.convert("RGB").resize((320, 180), Picture.Resampling.NEAREST)
        assert smaller.tobytes() == to_rgb(machine.screen()).tobytes()


@pytest.mark.parametrize("name", CARTRIDGES)
def test_no_frame_needs_more_than_one_tick(name):
    image = pbs.load(ROOT / name)
    cycles = pbs.Trace.read(golden(name, "pbt")).rows["cycles"]
    assert int(cycles.max()) < image.limits.frame_cycles
