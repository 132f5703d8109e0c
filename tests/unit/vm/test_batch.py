"""A batch: every slot is a machine of its own, whatever the others do and however many threads there are."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from pbs.contract import LimitReached, UsageError
from pbs.isa.traps import Trap
from pbs.loader import assemble, load
from pbs.vm import NO_INPUT, Batch, FrameResult, Input, Machine, Status, batch, snapshot
from tests.support.compare import random_inputs
from tests.unit.vm.world import ENGINES, FRAMES, LIMITS, image, other_world, world

N = 5
SEEDS = (0, 1, -1, 7, -(1 << 63))

# Divides by nought where b is held, halts where start is, and tells the log about a
ENDS = """
.target profile "game" "1.0.0"
.const TEXT = "0123456789012345678901234567890123456789012345678901234567890123456789"
.func main() -> ()
turn:
    INTRINSIC input.b.down
    JMP_IF_FALSE stays
    PUSH 1
    PUSH 0
    DIV
    POP
stays:
    INTRINSIC input.start.down
    JMP_IF_FALSE goes
    HALT
goes:
    INTRINSIC input.a.down
    JMP_IF_FALSE silent
    PUSH 4
    PUSH TEXT
    HOSTCALL log.write/1
    POP
silent:
    FRAME_SYNC
    JMP turn
.end
"""
A, B, START = Input({"a"}), Input({"b"}), Input({"start"})
LONG = ".func main() -> ()\nturn:\n" + "NOP\n" * 3000 + "FRAME_SYNC\nJMP turn\n.end\n"  # three ticks of 1,024 cycles


def ends():
    return load(assemble(ENDS), limits=replace(LIMITS, log_bytes=100))


def inputs(frames: int = FRAMES) -> list[list[Input]]:
    """What is played in every slot."""
    return [random_inputs(Random(slot), frames) for slot in range(N)]


def alone(engine: str, frames: int = FRAMES) -> list[Machine]:
    """The machines that a batch must equal, before they are run."""
    return [Machine(world(), engine=engine, seed=seed) for seed in SEEDS]


def code_of(call, *arguments, **options) -> str:
    with pytest.raises((UsageError, LimitReached)) as caught:
        call(*arguments, **options)
    return caught.value.code


@pytest.fixture(autouse=True)
def _every_thread_is_worth_waking(monkeypatch):
    """Also for the little that is run here."""
    monkeypatch.setattr(batch, "_THREAD_CYCLES", 1)


# ---- the same as single machines


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_every_slot_does_what_a_machine_does(engine, threads):
    one = Batch(world(), N, engine=engine, seed=SEEDS, threads=threads)
    result = one.run(FRAMES, inputs())
    assert len(result) == len(one) == N
    for slot, machine in enumerate(alone(engine)):
        assert result[slot] == machine.run(FRAMES, inputs()[slot])
        assert bytes(one.snapshot(slot)) == bytes(machine.snapshot())
        assert np.array_equal(one[slot].screen(), machine.screen())


def test_the_engines_agree_in_every_slot():
    plain, *others = (Batch(world(), N, engine=engine, seed=SEEDS) for engine in ENGINES)
    expected = [*map(list, plain.run(FRAMES, inputs()))]
    for other in others:
        assert [*map(list, other.run(FRAMES, inputs()))] == expected
        assert [bytes(other.snapshot(slot)) for slot in range(N)] == [bytes(plain.snapshot(slot)) for slot in range(N)]


@pytest.mark.parametrize("frames", [N, 7, 1 << 14])
def test_how_the_frames_are_cut_into_native_calls_changes_nothing(monkeypatch, frames):
    whole = Batch(world(), N, seed=SEEDS).run(FRAMES, inputs())
    monkeypatch.setattr(batch, "_STRETCH_FRAMES", frames)
    cut = Batch(world(), N, seed=SEEDS).run(FRAMES, inputs())
    assert np.array_equal(cut.digests, whole.digests)
    assert [*map(list, cut)] == [*map(list, whole)]


@pytest.mark.parametrize("engine", ENGINES)
def test_frame_by_frame_is_the_same_as_all_at_once(engine):
    one, other = (Batch(world(), N, engine=engine, seed=SEEDS) for _ in range(2))
    whole = other.run(FRAMES, inputs())
    for frame in range(FRAMES):
        result = one.run_frame([row[frame] for row in inputs()])
        assert [result[slot] for slot in range(N)] == [whole[slot][frame : frame + 1] for slot in range(N)]


def test_machines_of_a_batch_are_machines():
    one = Batch(world(), N, seed=SEEDS)
    one.run(3, inputs())
    assert [machine.frame for machine in one] == [3] * N
    assert one[2].call("probe", [1, 0, 1])[1:] == (0, 1)
    expected = one[3].run(2, inputs()[3][3:])
    assert one.frame.tolist() == [3, 3, 3, 5, 3]
    other = Batch(world(), N, seed=SEEDS)
    assert other.run(5, inputs())[3][3:] == expected


# ---- what a run gives


def test_arrays_say_the_same_as_the_results_of_frames():
    one = Batch(world(), N, seed=SEEDS)
    before = one.run(2)
    result = one.run(FRAMES, inputs())
    assert before.frame.tolist() == [[0, 1]] * N
    for name in ("frame", "cycles", "ticks", "host_calls"):
        found = getattr(result, name)
        assert (found.shape, found.dtype) == ((N, FRAMES), np.int64)
        assert found.tolist() == [[getattr(frame, name) for frame in result[slot]] for slot in range(N)]
    assert (result.digests.shape, result.digests.dtype) == ((N, FRAMES, 16), np.uint8)
    for slot in range(N):
        assert [bytes(digest) for digest in result.digests[slot]] == [frame.digest for frame in result[slot]]
    assert (result.status.shape, result.status.dtype) == ((N, FRAMES), np.int8)
    assert not result.status.any()
    assert (result.done.tolist(), dict(result.traps)) == ([FRAMES] * N, {})
    assert one.frame.tolist() == [FRAMES + 2] * N
    assert one.cycles.tolist() == [machine.cycles for machine in one]
    assert one.cycles.tolist() == (before.cycles.sum(axis=1) + result.cycles.sum(axis=1)).tolist()


def test_arrays_of_a_batch_are_copies():
    one = Batch(world(), 2)
    one.frame[:] = 9
    one.cycles[:] = 9
    one.screens()[:] = 9
    assert (one[0].frame, one[0].cycles, int(one[0].screen().max())) == (0, 0, 0)


def test_the_screens_are_those_of_the_machines():
    one = Batch(world(), 3, seed=(1, 2, 3))
    one.run(1)
    one[1].run(3)  # an even number of pictures, so that another of its two screens is shown
    screens = one.screens()
    assert (screens.shape, screens.dtype) == ((3, 180, 320), np.uint16)
    for slot in range(3):
        assert np.array_equal(screens[slot], one[slot].screen())
    assert screens[1].any()
    assert not np.array_equal(screens[0], screens[1])


def test_no_frames_are_no_results():
    result = Batch(world(), 2).run(0)
    assert (result[1], result.digests.shape, result.status.shape) == ([], (2, 0, 16), (2, 0))


# ---- ends


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_trap_in_a_slot_is_a_value_and_disturbs_no_other(engine, threads):
    frames = 6
    given = [[NO_INPUT] * frames for _ in range(4)]
    given[1][2] = B
    given[3][4] = START
    one = Batch(ends(), 4, engine=engine, threads=threads)
    result = one.run(frames, given)
    for slot in range(4):
        assert result[slot] == Machine(ends(), engine=engine).run(frames, given[slot])
    assert result.done.tolist() == [6, 3, 6, 5]
    assert result.status.tolist() == [[0] * 6, [0, 0, 3, -1, -1, -1], [0] * 6, [0, 0, 0, 0, 2, -1]]
    assert result.cycles[1, 3:].tolist() == [0, 0, 0]
    assert not result.digests[1, 3:].any()
    assert list(result.traps) == [1]
    assert (result.traps[1].code, result.traps[1].frame) == (Trap.DIV_ZERO, 2)
    assert result.traps[1] == one[1].trap == result[1][-1].trap
    assert one.ended.tolist() == [False, True, False, True]
    later = one.run(2)
    assert (later.done.tolist(), dict(later.traps), later[1]) == ([2, 0, 2, 0], {}, [])
    assert later.status.tolist() == [[0, 0], [-1, -1], [0, 0], [-1, -1]]


def test_a_batch_that_has_ended_runs_no_frames():
    one = Batch(ends(), 2)
    one.run(3, START)
    assert one.ended.all()
    assert one.run(3).done.tolist() == [0, 0]
    assert one.run_frame().done.tolist() == [0, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_frame_that_takes_too_many_ticks_stays_open_and_goes_on(engine):
    text = image(LONG, frame_cycles=1024)
    one = Batch(text, 3, engine=engine)
    one[1].run(2)
    result = one.run(2, max_ticks=2)
    assert (result.done.tolist(), result.status.tolist()) == ([0, 0, 0], [[1, -1]] * 3)
    assert one.in_frame.all()
    assert not one.ended.any()
    one[1].run_frame(ticks=2)
    result = one.run(2)
    assert (result.done.tolist(), one.in_frame.tolist()) == ([2, 2, 2], [False] * 3)
    assert result[0] == result[2]
    whole = Machine(text).run(5)
    assert [frame.digest for frame in result[0]] == [frame.digest for frame in whole[:2]]
    assert [frame.digest for frame in result[1]] == [frame.digest for frame in whole[3:]]
    assert result[0][0].ticks == 3


def test_run_frame_takes_one_tick_unless_told():
    one = Batch(image(LONG, frame_cycles=1024), 2)
    assert [one.run_frame().done.tolist() for _ in range(3)] == [[0, 0], [0, 0], [1, 1]]
    assert one.run_frame(ticks=3).status.tolist() == [[0], [0]]


# ---- logs


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_logged_is_kept_by_slot_and_frame(engine):
    frames = 200 if engine == "interpreter" else 70
    rng = Random(3)
    given = [[rng.choice((A, NO_INPUT)) for _ in range(frames)] for _ in range(3)]
    given.append([NO_INPUT] * frames)
    given[2][50] = START
    result = Batch(ends(), 4, engine=engine).run(frames, given)
    for slot in range(4):
        assert result[slot] == Machine(ends(), engine=engine).run(frames, given[slot])
    assert {len(frame.log) for slot in range(3) for frame in result[slot]} == {0, 1}
    assert sum(frame.cycles > 0 for frame in result[3]) == frames


def test_much_log_makes_more_native_calls_and_nothing_else(monkeypatch):
    calls = []
    run_stretch = batch.Stretch
    monkeypatch.setattr(batch, "Stretch", lambda **given: calls.append(1) or run_stretch(**given))
    result = Batch(ends(), 3).run(500, [[A] * 500, [NO_INPUT] * 500, [A] * 100 + [START] + [NO_INPUT] * 399])
    assert [len(result[slot]) for slot in range(3)] == [500, 500, 101]
    assert all(len(frame.log) == 1 for frame in result[0])
    assert len(calls) > 5


# ---- resets, snapshots


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slot_that_is_reset_is_a_new_machine(engine):
    one = Batch(world(), N, engine=engine, seed=SEEDS)
    one.run(FRAMES, inputs())
    others = [bytes(one.snapshot(slot)) for slot in (0, 1, 3)]
    one.reset(2)
    one.reset(4, seed=99)
    assert [bytes(one.snapshot(slot)) for slot in (0, 1, 3)] == others
    for slot, seed in ((2, SEEDS[2]), (4, 99)):
        machine = Machine(world(), engine=engine, seed=seed)
        assert bytes(one.snapshot(slot)) == bytes(machine.snapshot())
        assert one[slot].seed == seed
        assert one[slot].run(FRAMES, inputs()[slot]) == machine.run(FRAMES, inputs()[slot])
    one.reset(4)
    assert one[4].seed == 99


def test_a_machine_that_trapped_or_is_inside_of_a_frame_is_reset_too():
    one = Batch(ends(), 2)
    one.run(3, [[A, B, A], [A, A, A]])
    one.reset(0)
    one[1].run_frame(budget=0)
    one.reset(1)
    result = one.run(3, [A, A, A])
    assert result[0] == result[1] == Machine(ends()).run(3, [A, A, A])


def test_a_slot_takes_the_snapshot_of_a_machine_and_gives_its_own():
    machine = Machine(world(), seed=-5)
    machine.run(6, inputs()[0])
    one = Batch(world(), N, seed=SEEDS)
    one.run(4, inputs())
    one.restore(1, machine.snapshot())
    one.restore(3, bytes(machine.snapshot()))
    one.restore(4, one.snapshot(0))
    result = one.run(6, inputs())
    single = machine.run(6, inputs()[1])
    assert result[1] == single
    assert bytes(one.snapshot(1)) == bytes(machine.snapshot())
    assert result[3][0].frame == 6
    assert result[4] != result[0], "other inputs"
    first = Machine(world(), seed=SEEDS[0])
    first.run(4, inputs()[0])
    assert result[4] == first.run(6, inputs()[4])


def test_a_snapshot_of_another_image_is_refused_and_nothing_is_changed():
    one = Batch(world(), 2)
    before = bytes(one.snapshot(1))
    with pytest.raises(Exception, match="another cartridge") as caught:
        one.restore(1, Machine(other_world()).snapshot())
    assert caught.value.code == "snapshot_cartridge_mismatch"
    assert bytes(one.snapshot(1)) == before


# ---- inputs


def words(rows: list[list[Input]]) -> np.ndarray:
    return np.array([[one.words() for one in row] for row in rows])


def test_inputs_come_in_many_forms():
    played = inputs()
    whole = Batch(world(), N, seed=SEEDS).run(FRAMES, played).digests
    for given in (words(played), words(played).astype(np.uint16), map(iter, played), tuple(map(tuple, played))):
        assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, given).digests, whole)
    same = Batch(world(), N, seed=SEEDS).run(FRAMES, [played[0]] * N).digests
    for given in (played[0], iter(played[0]), words(played)[:1], words(played[:1])):
        assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, given).digests, same)


def test_masks_are_inputs_without_touch():
    buttons = [[Input(one.buttons) for one in row] for row in inputs()]
    masks = words(buttons)[:, :, 0]
    whole = Batch(world(), N, seed=SEEDS).run(FRAMES, buttons).digests
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, masks).digests, whole)
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, masks[:, ::-1][:, ::-1]).digests, whole)
    same = Batch(world(), N, seed=SEEDS).run(FRAMES, buttons[0]).digests
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, masks[0]).digests, same)
    held = Batch(world(), N, seed=SEEDS).run(FRAMES, A).digests
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run(FRAMES, [A] * FRAMES).digests, held)


def test_one_frame_takes_an_input_for_each_slot():
    row = [one[0] for one in inputs()]
    found = Batch(world(), N, seed=SEEDS).run_frame(row).digests
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run_frame(words([row])[0]).digests, found)
    buttons = [Input(one.buttons) for one in row]
    masks = words([buttons])[0, :, 0]
    found = Batch(world(), N, seed=SEEDS).run_frame(buttons).digests
    assert np.array_equal(Batch(world(), N, seed=SEEDS).run_frame(masks).digests, found)
    assert found.shape == (N, 1, 16)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([A, A], "inputs_too_few"),
        ([[A] * 3, [A] * 2], "inputs_too_few"),
        ([], "inputs_too_few"),
        (np.zeros(2, int), "inputs_too_few"),
        (np.zeros((2, 2, 4), int), "inputs_too_few"),
        ([[A] * 3], "input_shape_wrong"),
        ([[A] * 3] * 3, "input_shape_wrong"),
        ([1, 2, 3], "input_shape_wrong"),
        ([1, 2], "input_shape_wrong"),
        ([A, A, 1], "input_shape_wrong"),
        ([[A, A, 1]] * 2, "input_shape_wrong"),
        (np.zeros(3), "input_shape_wrong"),
        (np.zeros(3, bool), "input_shape_wrong"),
        (np.zeros((3, 3), int), "input_shape_wrong"),
        (np.zeros((0, 3), int), "input_shape_wrong"),
        (np.zeros((2, 3, 3), int), "input_shape_wrong"),
        (np.zeros((2, 3, 4, 1), int), "input_shape_wrong"),
        (np.array(3), "input_shape_wrong"),
        (np.full(3, 1 << 12), "input_invalid"),
        (np.full((2, 3), -1), "input_invalid"),
        (np.full(3, (1 << 64) - 1, np.uint64), "input_invalid"),
        (np.full((1, 3, 4), (0, 320, 0, 1)), "input_invalid"),
        (np.full((1, 3, 4), (0, 0, 180, 1)), "input_invalid"),
        (np.full((1, 3, 4), (0, 0, 0, 2)), "input_invalid"),
        ([Input({"A"})] * 3, "input_invalid"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_runs(given, code):
    one = Batch(world(), 2)
    assert code_of(one.run, 3, given) == code
    assert one.frame.tolist() == [0, 0]


def test_an_input_that_no_player_gives_is_named_with_its_place():
    given = np.zeros((2, 3, 4), int)
    given[1, 2, 2] = 180
    with pytest.raises(UsageError) as caught:
        Batch(world(), 2).run(3, given)
    assert caught.value.diagnostic.subject == "slot 1, frame 2: 180"


@pytest.mark.parametrize("given", [[A], [A] * 3, np.zeros(3, int), np.zeros((2, 3), int), [1, 2]])
def test_one_frame_takes_as_many_inputs_as_slots(given):
    assert code_of(Batch(world(), 2).run_frame, given) == "input_shape_wrong"


# ---- making one


@pytest.mark.parametrize(
    "given",
    [
        {"n": 0},
        {"n": -1},
        {"n": batch.MOST_MACHINES + 1},
        {"threads": 0},
        {"threads": batch.MOST_THREADS + 1},
        {"seed": 1 << 63},
        {"seed": (1, 2)},
        {"seed": (1, 2, 3, 1 << 63)},
        {"seed": np.zeros(5, int)},
    ],
)
def test_arguments_out_of_range_are_refused(given):
    assert code_of(Batch, world(), **{"n": 4} | given) == "usage"


def test_seeds_may_be_numbers_of_numpy():
    one = Batch(world(), 3, seed=np.arange(3))
    assert [machine.seed for machine in one] == [0, 1, 2]
    assert one.run(2)[2] == Machine(world(), seed=2).run(2)
    assert Batch(world(), 1, seed=np.int64(2)).run(2)[0] == Machine(world(), seed=2).run(2)


def test_an_unknown_engine_is_refused():
    assert code_of(Batch, world(), 2, engine="native") == "engine_unknown"


@pytest.mark.parametrize("slot", [-1, 2, 1 << 70])
def test_a_slot_that_does_not_exist_is_refused(slot):
    one = Batch(world(), 2)
    result = one.run(1)
    calls = (
        one.__getitem__,
        one.snapshot,
        one.reset,
        result.__getitem__,
        lambda slot: one.restore(slot, one.snapshot(0)),
    )
    assert {code_of(call, slot) for call in calls} == {"slot_unknown"}


@pytest.mark.parametrize("frames", [-1, batch.MOST_RESULTS])
def test_frames_beyond_all_reason_are_refused(frames):
    assert code_of(Batch(world(), 2).run, frames) == "usage"


@pytest.mark.parametrize("ticks", [0, (1 << 20) + 1])
def test_ticks_are_counted_from_one(ticks):
    assert code_of(Batch(world(), 2).run, 1, max_ticks=ticks) == "usage"
    assert code_of(Batch(world(), 2).run_frame, ticks=ticks) == "usage"


def test_a_batch_that_does_not_fit_into_memory_is_refused_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(batch, "MOST_BYTES", 1 << 20)
    allocated = []
    monkeypatch.setattr(batch.mmap, "mmap", lambda *given, **options: allocated.append(given))
    assert code_of(Batch, world(), 1000) == "batch_too_large"
    assert allocated == []


@pytest.mark.parametrize(("owner", "name", "error"), [(batch.mmap, "mmap", OSError), (batch, "Machine", MemoryError)])
def test_memory_that_the_system_does_not_give_is_no_accident(monkeypatch, owner, name, error):
    def refuse(*_given, **_options):
        raise error

    monkeypatch.setattr(owner, name, refuse)
    assert code_of(Batch, world(), 2) == "batch_too_large"


def test_states_stand_on_cache_lines_of_their_own():
    for words_each in (1, 15, 16, 17, 1000):
        states = batch._side_by_side(3, words_each)
        assert (states.shape, states.any()) == ((3, words_each), False)
        assert {states[slot].ctypes.data % 128 for slot in range(3)} == {0}


def test_as_many_threads_as_cores_and_no_more_than_slots():
    assert Batch(world(), 3, threads=7).threads == 3
    assert Batch(world(), 64).threads == batch.cores()


def test_a_thread_is_woken_where_there_is_enough_to_do(monkeypatch):
    monkeypatch.setattr(batch, "_THREAD_CYCLES", 400_000)
    one = Batch(image(LONG), 2, threads=2)
    one.run(20)  # thought to be 2 * 20 * 4096 cycles
    assert one._workers._pool is None
    one.run(60)
    assert one._workers._pool is not None
    heavy = Batch(image(LONG.replace("NOP\n", "NOP\n" * 20), frame_cycles=1 << 20), 4, threads=2)
    heavy.run(1)
    assert heavy._workers._pool is None, "the first frame might be short"
    heavy.run(2)
    assert heavy._workers._pool is not None


# ---- it can fail


def test_slots_that_share_a_word_are_noticed(monkeypatch):
    """This can fail: with one word of two states in one place the slots are no longer their machines."""
    right = batch._side_by_side

    def overlapping(n, words_each):
        return np.lib.stride_tricks.as_strided(right(n, words_each), (n, words_each), (8 * (words_each - 300), 8))

    monkeypatch.setattr(batch, "_side_by_side", overlapping)
    one = Batch(world(), 2, seed=SEEDS[:2], threads=1)
    result = one.run(FRAMES, inputs()[:2])
    assert any(result[slot] != alone("interpreter")[slot].run(FRAMES, inputs()[slot]) for slot in range(2))


def test_a_reset_that_keeps_the_random_numbers_is_noticed(monkeypatch):
    monkeypatch.setattr(batch, "seed_random", lambda _device, _seed: None)
    one = Batch(world(), 2, seed=(1, 2))
    one.reset(1)
    assert bytes(one.snapshot(1)) != bytes(Machine(world(), seed=2).snapshot())


def test_results_are_values():
    result = Batch(world(), 1).run(1)
    assert isinstance(result[0][0], FrameResult)
    assert result[0][0].status is Status.SYNCED
    assert snapshot.Snapshot.read(bytes(Batch(world(), 1).snapshot(0)), world()).data
