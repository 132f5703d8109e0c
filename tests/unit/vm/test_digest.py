"""The frame digest, worked out again from docs/machine.md, frame digest, with the xxhash package; not from vm/kernels/digest."""

import struct
from random import Random

import pytest
import xxhash

from pbs.vm import Machine, Status, layout
from tests.support.compare import image_of, random_inputs
from tests.support.programs import random_program
from tests.unit.vm.world import ENGINES, FRAMES, image, inputs, played, world

STATUS_NUMBER = {Status.SYNCED: 0, Status.HALTED: 2, Status.TRAPPED: 3}
SCREEN_WORDS = 320 * 180 * 2 // 8
DEVICE_WORDS = 31
FRONT, LOG_USED, HOST_CALLS, HOST_LOG = 23, 24, 26, 27  # of the devices' words


def hashed(words: list[int]) -> list[int]:
    """The two words of an XXH3-128, low first. At least 32 words, with zeros behind the end."""
    words = words + [0] * (32 - len(words))
    value = xxhash.xxh3_128(
        struct.pack(f"<{len(words)}Q", *(word & (1 << 64) - 1 for word in words)), seed=0
    ).intdigest()
    return [value & (1 << 64) - 1, value >> 64]


def digest(machine: Machine, before: bytes, status: Status) -> bytes:
    """The digest of the frame that the machine has just closed. before: the digest of the frame before."""
    state, image = machine.state, machine.image

    def words(at: int, count: int) -> list[int]:
        return [int(word) for word in state[at : at + count]]

    def region(name: str, count: int) -> list[int]:
        return words(machine.layout.offset(name), count)

    def control(at: int) -> int:
        return int(state[at])

    device = region("device", DEVICE_WORDS)
    chain = int.from_bytes(before, "big")
    record = [chain & (1 << 64) - 1, chain >> 64]
    record += [machine.frame - 1, STATUS_NUMBER[status], machine.cycles, control(layout.FRAME_CYCLES)]
    record += [device[HOST_CALLS], device[HOST_LOG]]
    record += hashed(words(machine.layout.offset("pixels") + device[FRONT] * SCREEN_WORDS, SCREEN_WORDS))
    record += [0, 0]  # audio
    log = state.tobytes()[8 * machine.layout.offset("log") :][: device[LOG_USED]]
    log += bytes(-len(log) % 8)
    record += hashed(list(struct.unpack(f"<{len(log) // 8}Q", log)))
    record += hashed(region("globals", len(image.program.globals)))
    record += hashed(region("heap", control(layout.HEAP_TOP)))
    record += hashed(region("objects", 2 * control(layout.OBJECT_COUNT)))
    record += hashed(region("info", control(layout.OBJECT_COUNT)))
    trap = machine.trap
    if trap is None:
        record += [0] * 6
    else:
        record += [trap.code, trap.opcode, trap.pc, trap.function, trap.frame, trap.cycles]
    order = region("order", control(layout.ORDER_COUNT))
    asleep = region("sleepers", control(layout.SLEEPER_COUNT))
    record += [len(order), len(asleep), 0, 0]
    assert len(record) == 32
    record += device
    record += [0] * (96 - len(record))
    for row in range(image.limits.coroutines):
        record += coroutine(machine, row, order, asleep)
    return struct.pack(">QQ", *hashed(record)[::-1])


def coroutine(machine: Machine, row: int, order: list[int], asleep: list[int]) -> list[int]:
    """The hash of a coroutine's row: its words, its places, its frames, the live words of its stack."""
    state, facts, limits = machine.state, machine.image.facts.functions, machine.image.limits
    at = machine.layout.offset("rows") + 8 * row
    found = [int(word) for word in state[at : at + 8]]
    if found[0] == 0:
        return [0, 0]
    depth = found[3]
    found += [order.index(row) + 1 if row in order else 0, asleep.index(row) + 1 if row in asleep else 0]
    at = machine.layout.offset("frames") + 2 * limits.call_depth * row
    frames = [int(word) for word in state[at : at + 2 * depth]]
    live = 0
    if depth:
        function, pc = facts[frames[-2] >> 32], frames[-2] & 0xFFFF_FFFF
        live = frames[-1] + len(function.slots) + len(function.block_at[pc].stack)
    at = machine.layout.offset("stacks") + int(state[layout.STACK_STRIDE]) * row
    return hashed(found + frames + [int(word) for word in state[at : at + live]])


def require_digests(machine: Machine, given) -> int:
    """Every frame's digest is that of the specification; how many frames there were."""
    before, frames = bytes(16), 0
    for one in given:
        if machine.ended:
            break
        (result,) = machine.run(1, [one], max_ticks=50)
        assert result.digest == digest(machine, before, result.status), result
        before, frames = result.digest, frames + 1
    return frames


@pytest.mark.parametrize("engine", ENGINES)
def test_the_digest_of_a_world_is_that_of_the_specification(engine):
    assert require_digests(Machine(world(), engine=engine, seed=3), inputs()) == FRAMES


ENDS = {
    "halts": "PUSH 1\nFRAME_SYNC\nPOP\nHALT\n",
    "returns": "FRAME_SYNC\nRET\n",
    "traps": "FRAME_SYNC\nPUSH 1\nPUSH 0\nDIV\nPOP\nRET\n",
    "traps in a call": "FRAME_SYNC\nCALL deep\nRET\n",
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ENDS)
def test_the_last_digest_is_that_of_the_specification(engine, name):
    text = f".func main() -> ()\n{ENDS[name]}.end\n.func deep() -> ()\nTRAP\n.end\n"
    machine = Machine(image(text), engine=engine)
    assert require_digests(machine, inputs(3)) == 2
    assert machine.ended


@pytest.mark.parametrize("engine", ENGINES)
def test_the_digests_of_random_programs_are_those_of_the_specification(engine):
    frames = 0
    for seed in range(20):
        machine = Machine(image_of(random_program(Random(seed), size=20)), engine=engine, seed=seed)
        frames += require_digests(machine, random_inputs(Random(seed), 4))
    assert frames > 30


@pytest.mark.parametrize(
    ("region", "offset"),
    [
        ("globals", 0),
        ("heap", 3),
        ("info", 1),
        ("device", 29),
        ("pixels", 5),
        ("objects", 3),
        ("stacks", 0),
        ("log", 0),
    ],
)
def test_the_digest_sees_every_part_of_the_state(region, offset):
    """In any region another word is another digest."""
    before = played(5)
    changed = played(5)
    front = before.layout.offset("pixels") + SCREEN_WORDS * int(before.state[layout.DEVICE + FRONT])
    at = (front if region == "pixels" else before.layout.offset(region)) + offset
    changed.state[at] ^= 1
    last = bytes(16)
    assert digest(before, last, Status.SYNCED) != digest(changed, last, Status.SYNCED)


def test_the_digest_chains():
    machine = played(5)
    assert digest(machine, bytes(16), Status.SYNCED) != digest(machine, bytes(15) + b"\1", Status.SYNCED)
