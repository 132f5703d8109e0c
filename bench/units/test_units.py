"""How long single steps take, one function each: `pytest bench/units --benchmark-only`."""

from dataclasses import replace
from pathlib import Path

import pytest

import pbs
from pbs.bench.costs import STATE_WORDS
from pbs.bench.programs import keeping, living, long_program
from pbs.host import standard
from pbs.isa import container
from pbs.isa.assembler import assemble as to_program
from pbs.isa.disassembler import disassemble
from pbs.loader.cartridge import read_directory
from pbs.loader.manifest import parse_manifest
from pbs.verifier import verify
from pbs.vm import layout

CARTRIDGES = Path(__file__).parents[2] / "cartridges"
PONG = CARTRIDGES / "pong"
RALLY = PONG / "golden" / "rally.pbt"


@pytest.fixture(scope="module")
def image():
    return pbs.load(PONG)


@pytest.fixture(scope="module")
def long_image():
    return pbs.load(long_program(10_000)[0])


@pytest.fixture(scope="module")
def program_bytes():
    return (PONG / "program.pbx").read_bytes()


@pytest.fixture
def machine(image):
    machine = pbs.Machine(image)
    machine.run(60)
    return machine


def test_assemble(benchmark):
    source = (PONG / "pong.pbasm").read_text(encoding="utf-8")
    assert benchmark(to_program, source, "pong.pbasm", standard().names).functions


def test_decode_a_program(benchmark, program_bytes):
    assert benchmark(container.decode, program_bytes).functions


def test_encode_a_program(benchmark, program_bytes):
    assert benchmark(container.encode, container.decode(program_bytes)) == program_bytes


def test_disassemble(benchmark, program_bytes):
    assert benchmark(disassemble, container.decode(program_bytes))


def test_parse_a_manifest(benchmark):
    assert benchmark(parse_manifest, (PONG / "manifest.yaml").read_bytes()).id == "pong"


def test_read_a_cartridge(benchmark):
    assert benchmark(read_directory, PONG).digest


def test_load_a_cartridge(benchmark):
    assert benchmark(pbs.load, PONG).title == "Pong"


def test_verify_a_program(benchmark, long_image):
    assert benchmark(verify, long_image.program, {}, {}).work


def test_lower_a_program(benchmark, long_image):
    def fresh():  # records are kept for the very image that they were made of
        return (replace(long_image),), {}

    assert benchmark.pedantic(pbs.Machine, setup=fresh, rounds=20).frame == 0


def test_make_a_machine(benchmark, image):
    assert benchmark(pbs.Machine, image).frame == 0


def test_run_a_frame(benchmark, machine):
    assert benchmark(machine.run_frame).status is pbs.Status.SYNCED


def test_run_a_frame_on_the_reference(benchmark, image):
    machine = pbs.Machine(image, engine="reference")
    assert benchmark.pedantic(machine.run_frame, rounds=10).status is pbs.Status.SYNCED


def test_take_a_snapshot(benchmark, machine):
    assert bytes(benchmark(machine.snapshot))


def test_restore_a_snapshot_from_bytes(benchmark, machine):
    data = bytes(machine.snapshot())
    benchmark(machine.restore, data)
    assert machine.frame == 60


def test_digest_a_frame_with_64_kib(benchmark):
    machine = pbs.Machine(keeping(STATE_WORDS))
    machine.run(1)
    assert benchmark(machine.run, 100)[-1].digest


def test_collect_with_ninety_thousand_live_words(benchmark):
    machine = pbs.Machine(living(30_000, collect=True))
    machine.run(2)
    before = machine.state[layout.COLLECTIONS]
    benchmark(machine.run_frame)
    assert machine.state[layout.COLLECTIONS] > before


def test_read_a_trace(benchmark):
    assert len(benchmark(pbs.Trace.read, RALLY)) == 600


def test_replay_six_hundred_frames(benchmark):
    trace = pbs.Trace.read(RALLY)
    assert benchmark(pbs.replay, trace).frames == 600


def test_make_a_batch_of_sixty_four(benchmark, image):
    assert len(benchmark(pbs.Batch, image, 64)) == 64


def test_run_a_frame_of_sixty_four(benchmark, image):
    batch = pbs.Batch(image, 64, seed=range(64))
    assert benchmark(batch.run_frame).done.all()


def test_run_ten_frames_of_a_thousand(benchmark, image):
    batch = pbs.Batch(image, 1000)
    assert benchmark(batch.run, 10).done.sum() == 10_000


def test_reset_a_slot(benchmark, image):
    batch = pbs.Batch(image, 2)
    batch.run(60)
    benchmark(batch.reset, 1)
    assert batch.frame.tolist() == [60, 0]
