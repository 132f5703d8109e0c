"""Every region of the state is large enough for what stands in it, and no two regions share a word."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbs.contract.limits import LARGEST, LIMIT_NAMES, PROFILES, SMALLEST, Limits
from pbs.loader import assemble, load
from pbs.vm import Machine, Status, layout
from tests.unit.vm.world import ENGINES

HASHED = 32  # docs/machine.md, frame digest: what is hashed is at least that long
EXTREMES = {"smallest": SMALLEST, **PROFILES}


def needed(limits: Limits, global_count: int) -> dict[str, int]:
    """Words that each region must have; written from docs/machine.md and the comments of the control words."""
    stacks = limits.coroutines + 1  # one for calls from the host
    return {
        "control": 64,
        "device": 31,
        "rows": 8 * stacks,
        "order": limits.coroutines,
        "sleepers": limits.coroutines,
        "globals": max(global_count, HASHED),
        "log": max((limits.log_bytes + 7) // 8, HASHED),
        "record": 96 + 2 * limits.coroutines,
        "pixels": 2 * 320 * 180 // 4,
        "frames": 2 * stacks * limits.call_depth,
        "stacks": stacks * (limits.stack_words + layout.STACK_SLACK),
        "scratch": max(8 + 2 + 2 * limits.call_depth + limits.stack_words, HASHED),
        "objects": max(2 * (limits.objects + 1), HASHED),
        "info": max(limits.objects + 1, HASHED),
        "heap_order": limits.objects,
        "worklist": limits.objects,
        "heap": max(limits.heap_words, HASHED),
    }


def require_sound(limits: Limits, global_count: int) -> None:
    placed = layout.lay_out(limits, global_count)
    wanted = needed(limits, global_count)
    assert placed.regions.keys() == wanted.keys()
    end = 0
    for name, (at, size) in sorted(placed.regions.items(), key=lambda region: region[1]):
        assert at == end, f"{name} does not begin where the region before it ends"
        assert size >= wanted[name], f"{name} is too small"
        end = at + size
    assert placed.words == end
    constants = layout.constants(limits, global_count)
    for name in ("rows", "order", "sleepers", "frames", "stacks", "globals", "objects", "info", "heap_order", "worklist",
                 "heap", "log", "pixels", "record", "scratch"):  # fmt: skip
        assert constants[getattr(layout, f"AT_{name.upper()}")] == placed.offset(name)
    assert constants[layout.STACK_STRIDE] * (limits.coroutines + 1) == placed.regions["stacks"][1]


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("global_count", [0, 1, 32, 33, 65_536])
def test_regions_of_every_profile_are_large_enough_and_apart(name, global_count):
    require_sound(EXTREMES[name], global_count)


@given(
    st.builds(Limits, **{name: st.integers(getattr(SMALLEST, name), getattr(LARGEST, name)) for name in LIMIT_NAMES}),
    st.integers(0, 65_536),
)
def test_regions_of_any_limits_are_large_enough_and_apart(limits, global_count):
    require_sound(limits, global_count)


@pytest.mark.parametrize("region", sorted(needed(SMALLEST, 0)))
def test_a_region_that_lacks_a_line_is_noticed(monkeypatch, region):
    whole = layout.lay_out

    def short(limits, global_count):
        placed = whole(limits, global_count)
        at, size = placed.regions[region]
        return layout.Layout(regions={**placed.regions, region: (at, size - 8)}, words=placed.words)

    monkeypatch.setattr(layout, "lay_out", short)
    with pytest.raises(AssertionError):
        require_sound(SMALLEST, 0)


def control_words() -> dict[str, int]:
    """The names of the control words with their places: all constants of the module before CONTROL_WORDS."""
    found = {}
    for statement in ast.parse(Path(layout.__file__).read_text()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            (target,) = statement.targets
            assert isinstance(target, ast.Name)
            if target.id == "CONTROL_WORDS":
                return found
            found[target.id] = statement.value.value
    raise AssertionError("there is no CONTROL_WORDS")


def test_no_two_control_words_share_a_place():
    words = control_words()
    assert len(words) > 40
    taken = [*words.values(), words["CHAIN"] + 1]  # a digest is two words
    assert len(set(taken)) == len(taken)
    assert all(0 <= at < layout.CONTROL_WORDS for at in taken)


def test_constants_stand_behind_what_changes():
    assert min(layout.constants(SMALLEST, 0)) == layout.FRAME_BUDGET
    changing = [at for name, at in control_words().items() if at < layout.FRAME_BUDGET]
    assert len(changing) + len(layout.constants(SMALLEST, 0)) == len(control_words())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("limits", [SMALLEST, LARGEST], ids=["smallest", "largest"])
def test_a_machine_of_extreme_limits_runs(engine, limits):
    image = load(assemble(".func main() -> ()\nFRAME_SYNC\nHALT\n.end\n"), limits=limits)
    results = Machine(image, engine=engine).run(3)
    assert [result.status for result in results] == [Status.SYNCED, Status.HALTED]
