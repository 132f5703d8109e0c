"""Every vector on every engine, at every budget; and what every row costs.

The vectors are data (`*.yaml`); what they may say stands in `vectors.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from pbs.contract import PbsError, UsageError
from pbs.isa.table import ROWS
from pbs.loader import assemble, load
from pbs.vm import layout, reference
from pbs.vm.exact_words import ExactWords
from pbs.vm.kernels import coroutines
from pbs.vm.machine import FrameResult, Machine, Status, Trapped
from tests.conformance.vectors import (
    FOLDER,
    Vector,
    all_vectors,
    check,
    costs,
    image_of,
    in_frames,
    input_of,
    vector_of,
)
from tests.support.compare import CONFIGURATIONS, SMALL, differences, dump, machine_on, observed

SMALL_PROGRAM_CYCLES = 100  # of the longest frame; longer programs are not run at every budget
MOST_TICKS = 2 * SMALL_PROGRAM_CYCLES  # of one cycle each: a block must be paid in full, also where it traps half way
ENGINES = ("reference", "interpreter")


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, "lean"])
@pytest.mark.parametrize("vector", all_vectors(), ids=lambda vector: vector.id)
def test_an_engine_does_what_the_vector_says(vector, configuration):
    check(vector, configuration)


def test_the_files_are_small_and_the_names_say_one_thing_each():
    names = [vector.id for vector in all_vectors()]
    assert len(names) == len(set(names))
    assert all(path.stat().st_size <= 64 * 1024 for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_costs_what_was_written_down(row):
    assert row.cycles == costs()[row.name]


def test_no_cost_is_written_down_for_a_row_that_does_not_exist():
    assert set(costs()) == {row.name for row in ROWS}


# ---- budgets ------------------------------------------------------------------------------------------------------------


def run_in_slices(vector: Vector, engine: str, budget: int | None) -> tuple[Machine, list[FrameResult], list[Any]]:
    """Every frame of a scenario, its first tick with that budget, its next ones with all they need. And the states at stops."""
    machine = Machine(image_of(vector), engine=engine)
    results: list[FrameResult] = []
    stops: list[Any] = []
    for tick in vector.frames:
        if machine.ended:
            break
        result = machine.run_frame(input_of(tick), budget=budget)
        while result.status is Status.UNFINISHED:
            assert budget is not None
            assert result.cycles <= budget
            stops.append(dump(machine))
            result = machine.run_frame(ticks=4)
        results.append(result)
    return machine, results, stops


def state_at_end(machine: Machine) -> dict[str, Any]:
    """The state without the host ticks that it took, which a guest cannot see."""
    state = dump(machine)
    state["control"][layout.TICKS] = 0
    return state


def check_every_budget(vector: Vector) -> None:
    """Cut the scenario at every budget on every engine, unless it is a long one."""
    whole, results, _ = run_in_slices(vector, "reference", None)
    longest = max(result.cycles for result in results)
    if longest > SMALL_PROGRAM_CYCLES:
        return
    outcome, end = observed(results, whole), state_at_end(whole)
    for budget in range(longest + 2):
        stops_of_reference: list[Any] = []
        for engine in ENGINES:
            machine, sliced, stops = run_in_slices(vector, engine, budget)
            where = f"{vector.id} on {engine}, budget {budget}"
            assert observed(sliced, machine) == outcome, where
            assert not differences(state_at_end(machine), end), where
            assert machine.cycles == whole.cycles, where
            if engine == "reference":
                stops_of_reference = stops
            apart = [differences(a, b) for a, b in zip(stops, stops_of_reference, strict=True)]
            assert not any(apart), f"{where}: {apart}"
        assert stops_of_reference or budget >= longest, f"{vector.id}: budget {budget} paid for {longest} cycles"
    for engine in ENGINES:
        machine = Machine(image_of(vector), engine=engine)
        ticks = vector.frames[: len(results)]
        one_by_one = [machine.run_frame(input_of(tick), budget=1, ticks=MOST_TICKS) for tick in ticks]
        assert observed(one_by_one, machine) == outcome, f"{vector.id} on {engine}, a cycle at a time"


@pytest.mark.parametrize("vector", [v for v in all_vectors() if not v.is_row], ids=lambda vector: vector.id)
def test_a_program_comes_to_the_same_end_at_every_budget(vector):
    for scenario in in_frames(vector):
        check_every_budget(scenario)


def test_most_programs_are_small_enough_to_be_run_at_every_budget():
    scenarios = [scenario for vector in all_vectors() for scenario in in_frames(vector)]
    cycles = [
        max(result.cycles for result in run_in_slices(scenario, "interpreter", None)[1]) for scenario in scenarios
    ]
    assert sum(most <= SMALL_PROGRAM_CYCLES for most in cycles) > 0.8 * len(scenarios)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("instructions", [1, 7, 1023, 1024, 1025, 3000])
def test_a_program_comes_to_the_same_end_one_cycle_at_a_time(instructions, engine):
    image = load(assemble(".func main() -> ()\n" + "NOP\n" * (instructions - 1) + "HALT\n.end"), limits=SMALL)
    whole, sliced = Machine(image, engine=engine), Machine(image, engine=engine)
    expected = whole.run_frame()
    result = sliced.run_frame(ticks=instructions, budget=1)
    assert (expected.cycles, expected.ticks) == (instructions, 1)
    assert (result.cycles, result.ticks, result.digest) == (instructions, instructions, expected.digest)


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, "lean"])
def test_a_long_run_of_instructions_is_cut_so_that_a_budget_is_met_closely(configuration):
    image = load(assemble(".func main() -> ()\n" + "NOP\n" * 2999 + "HALT\n.end"), limits=SMALL)
    for budget, cycles in ((1023, 0), (1024, 1024), (2047, 1024), (2048, 2048), (2999, 2048)):
        result = machine_on(image, configuration).run_frame(budget=budget)
        assert (result.status, result.cycles) == (Status.UNFINISHED, cycles)
    assert machine_on(image, configuration).run_frame(budget=3000).status is Status.HALTED


# ---- what a vector cannot say -------------------------------------------------------------------------------------------

# Each of these starts a block, so a machine can be stopped right in front of it.
BULK = {"NEW_ARRAY", "ARRAY_FILL", "ARRAY_COPY"}
BULK_TRAPS = [
    scenario
    for vector in all_vectors()
    for scenario, call in zip(in_frames(vector), vector.calls, strict=False)
    if call.trap and call.trap.at in BULK
]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_instruction_that_traps_changes_nothing_else(engine):
    assert BULK_TRAPS
    for vector in BULK_TRAPS:
        machine, (result,), _ = run_in_slices(vector, engine, None)
        stops = (run_in_slices(vector, engine, budget)[2] for budget in range(result.cycles, -1, -1))
        before = next(states[-1] for states in stops if states)
        changed = differences(before, dump(machine))
        assert not {"globals", "heap", "heap_order", "info", "objects"} & set(changed), f"{vector.id}: {changed}"


CALLED = """
.global n: int
.func main() -> ()
    FRAME_SYNC
    GET_GLOBAL n
    POP
    HALT
.end
.func add(a: int) -> (int)
    GET_GLOBAL n
    GET_LOCAL a
    ADD
    DUP
    SET_GLOBAL n
    RET
.end
.func fail() -> ()
    PUSH_I32 1
    PUSH_I32 0
    DIV
    POP
    RET
.end
.export add
.export fail
"""


@pytest.mark.parametrize("configuration", [*CONFIGURATIONS, "lean"])
def test_calls_between_frames_are_paid_by_the_machine_and_by_no_frame(configuration):
    machine = machine_on(load(assemble(CALLED), limits=SMALL), configuration)
    assert machine.call("add", [5]) == (5,)
    assert machine.cycles == 9
    assert (machine.run_frame().cycles, machine.cycles) == (1, 10)
    assert machine.call("add", [-7 & (1 << 64) - 1]) == (-2 & (1 << 64) - 1,)
    with pytest.raises(Trapped) as trapped:
        machine.call("fail")
    record = trapped.value.record
    assert (record.code.name, record.pc, record.frame, record.cycles) == ("DIV_ZERO", 12, 1, 25)
    assert (machine.ended, machine.trap) == (True, record)
    with pytest.raises(UsageError):
        machine.run_frame()


# ---- these checks can fail ----------------------------------------------------------------------------------------------

MISTAKEN: dict[str, dict[str, Any]] = {
    "a result": {"row": "ADD", "takes": ["int", "int"], "gives": "int", "cases": [[1, 2, 4]]},
    "the sign of a zero": {"row": "ADD", "takes": ["float", "float"], "gives": "float", "cases": [[0.0, 0.0, -0.0]]},
    "a NaN": {"row": "SQRT", "takes": ["float"], "gives": "float", "cases": [[4.0, "nan"]]},
    "a trap that does not come": {"row": "DIV", "takes": ["int", "int"], "gives": "int", "cases": [[4, 2, "DIV_ZERO"]]},
    "a trap's code": {"row": "DIV", "takes": ["int", "int"], "gives": "int", "cases": [[4, 0, "INT_OVERFLOW"]]},
    "a result that is a trap": {"row": "MOD", "takes": ["int", "int"], "gives": "int", "cases": [[4, 0, 0]]},
    "a trap's pc": {"code": ["NOP", "TRAP"], "trap": {"code": "EXPLICIT", "at": "TRAP", "pc": 0}},
    "a trap's cycles": {"code": ["NOP", "TRAP"], "trap": {"code": "EXPLICIT", "at": "TRAP", "pc": 2, "cycles": 1}},
    "a trap's instruction": {"code": ["NOP", "TRAP"], "trap": {"code": "EXPLICIT", "at": "NOP", "pc": 2}},
    "cycles": {"code": ["NOP", "RET"], "cycles": 4},
    "a frame's status": {"program": ".func main() -> ()\nHALT\n.end\n", "frames": [{}]},
    "a frame's cycles": {"program": ".func main() -> ()\nHALT\n.end\n", "frames": [{"status": "halted", "cycles": 2}]},
    "a frame's log": {"program": ".func main() -> ()\nHALT\n.end\n", "frames": [{"status": "halted", "log": ["x"]}]},
    "a global": {
        "program": ".global g: float\n.func main() -> ()\nHALT\n.end\n",
        "frames": [{"status": "halted", "globals": {"g": -0.0}}],
    },
    "a trap that no one expects": {"program": ".func main() -> ()\nTRAP\n.end\n", "frames": [{"status": "trapped"}]},
    "a word that means nothing": {"code": ["RET"], "cycle": 4},
}


@pytest.mark.parametrize("configuration", ENGINES)
@pytest.mark.parametrize("mistake", MISTAKEN)
def test_a_vector_that_is_wrong_in_one_thing_fails(mistake, configuration):
    with pytest.raises(AssertionError):
        check(vector_of("mistaken", {"name": mistake, **MISTAKEN[mistake]}), configuration)


def catches(file: str) -> bool:
    """Whether a vector of the file fails on the reference engine."""
    for vector in all_vectors():
        if vector.file == file:
            try:
                check(vector, "reference")
            except (AssertionError, PbsError):
                return True
    return False


@pytest.mark.parametrize(
    ("primitive", "wrong", "files"),
    [
        ("add", ExactWords.or_, ["arithmetic"]),
        ("shr_s", ExactWords.shr_u, ["bits"]),
        ("rotl", ExactWords.rotr, ["bits"]),
        ("lt_u", ExactWords.lt_s, ["compare", "heap"]),
        ("fnearest", ExactWords.ftrunc, ["arithmetic"]),
        ("fle", ExactWords.flt, ["compare", "conversion"]),
        ("canonical", lambda self, value: value, ["arithmetic"]),
    ],
)
def test_a_fault_in_a_primitive_is_caught_by_the_vectors_of_its_group(monkeypatch, primitive, wrong, files):
    monkeypatch.setattr(ExactWords, primitive, wrong)
    assert [file for file in files if not catches(file)] == []


def wakes_a_frame_too_early(state, row, wake_frame, fall_asleep=coroutines.fall_asleep):
    return fall_asleep(state, row, wake_frame - 1)


def test_a_fault_in_the_scheduler_is_caught_by_the_vectors_of_coroutines(monkeypatch):
    monkeypatch.setattr(coroutines, "fall_asleep", wakes_a_frame_too_early)
    monkeypatch.setattr(reference, "_kernels", reference._kernels.__wrapped__)  # made anew, with the fault in them
    assert catches("coroutines")
