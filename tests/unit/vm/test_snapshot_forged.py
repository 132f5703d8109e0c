"""Forged snapshots, with the right checksum: refused, or what every engine runs on from, in agreement.

The reference engine looks at every value again, so a state that the checks should not have let through ends it with an
InternalError; and a native engine that read memory which is not its own would not stay with the reference for long.
"""

from random import Random

import pytest

from pbs.contract import InternalError, Rejected
from pbs.vm import Machine, Snapshot, layout, snapshot
from tests.unit.vm.snapshots import HEADER_BYTES, forged, index_of, places, taken, words_of
from tests.unit.vm.world import ENGINES, LIMITS, inputs, played, world

FRAMES_ON = 3
LEAST, MOST = -(1 << 63), (1 << 63) - 1
EDGES = (0, 1, -1, 2, 3, 1 << 31, 1 << 32, 1 << 62, LEAST, MOST, 0x7FF8_0000_0000_0001, 0x3FF0_0000_0000_0000)
DRAWS = 1500


def accepted(words) -> Snapshot | None:
    """The snapshot of these words; None where it is refused, which must have its code."""
    try:
        return Snapshot.read(forged(words), world())
    except Rejected as refused:
        assert refused.code == "snapshot_invalid"
        return None


def goes_on(machines, given: Snapshot) -> bool:
    """Whether all engines take the snapshot over, give it again, and then do the same."""
    seen = []
    for machine in machines:
        machine.restore(given)
        assert bytes(machine.snapshot()) == given.data
        seen.append((machine.run(FRAMES_ON, inputs(FRAMES_ON)), machine.ended))
    return all(one == seen[0] for one in seen)


def machines() -> list[Machine]:
    return [Machine(world(), engine=engine) for engine in ENGINES]


def values_for(word: int) -> list[int]:
    near = (word + 1, word - 1, word ^ 1 << 32)
    return [value for value in dict.fromkeys((*EDGES, *near)) if value != word and LEAST <= value <= MOST]


def test_any_word_may_be_any_value_and_no_engine_falls_over():
    engines, taken_on = machines(), dict.fromkeys(ENGINES, 0)
    refused = 0
    whole = words_of(taken())
    for index, place in enumerate(places()):
        for value in values_for(int(whole[index])):
            words = whole.copy()
            words[index] = value
            given = accepted(words)
            if given is None:
                refused += 1
                continue
            # The slow engine tries every fourth; which ones moves on from word to word.
            tried = engines if (index + taken_on["interpreter"]) % 4 == 0 else engines[1:]
            assert goes_on(tried, given), (place, value)
            for machine in tried:
                taken_on[machine.engine.name] += 1
    assert refused > 3000
    assert taken_on["interpreter"] > 800
    assert taken_on["reference"] > 150


def test_several_words_at_once():
    rng = Random(3)
    engines, whole = machines(), words_of(taken())
    came_through = 0
    for _ in range(DRAWS):
        words = whole.copy()
        for index in rng.sample(range(len(places())), rng.choice((2, 2, 3, 5))):
            like = int(whole[rng.randrange(len(places()))])  # words of other places: handles, lengths, frames
            words[index] = rng.choice((like, like, rng.choice(EDGES)))
        given = accepted(words)
        if given is not None:
            came_through += 1
            assert goes_on(engines, given)
    assert came_through > 10


def test_the_words_of_every_region_are_held_against_the_facts():
    """Every region has words that may not be anything: no part of the state goes unchecked."""
    whole = words_of(taken())
    checked = set()
    for index, (region, _) in enumerate(places()):
        if region not in checked:
            for value in (-1, MOST):
                words = whole.copy()
                words[index] = value
                if accepted(words) is None:
                    checked.add(region)
    assert checked == {region for region, _ in places()}


def test_what_nobody_checked_brings_the_reference_engine_down(monkeypatch):
    """These tests can fail: without the checks a forged ref is followed. The native engine is spared that."""
    monkeypatch.setattr(snapshot, "check", lambda *_: None)
    words = words_of(taken())
    words[index_of("globals", 3)] = 1 << 33 | 1
    machine = Machine(world(), engine="reference")
    machine.restore(forged(words))
    with pytest.raises(InternalError):
        machine.run(FRAMES_ON)


# ---- what went wrong before, or nearly


def top_frame_base() -> int:
    """The word that says where main's frame begins on its stack."""
    return index_of("frames", 1)


@pytest.mark.parametrize("base", [-1, 1, LIMITS.stack_words, 1 << 20, 1 << 62, MOST, LEAST])
def test_a_frame_beyond_its_stack_is_refused_also_where_the_words_for_it_are_there(base):
    words = words_of(taken())
    words[top_frame_base()] = base
    assert accepted(words) is None
    more = forged(words) + bytes(8 * (Machine(world()).layout.words + 64))
    with pytest.raises(Rejected) as caught:
        Snapshot.read(forged(words_of(more), more[:HEADER_BYTES]), world())
    assert caught.value.code == "snapshot_invalid"


@pytest.mark.parametrize(
    ("offset", "most"), [(26, LIMITS.host_calls), (28, (1 << 62) - 1)], ids=["host calls", "presents"]
)
def test_a_device_counts_no_more_than_can_have_happened(offset, most):
    for value, is_fine in ((most, True), (most + 1, False), (MOST, False), (-1, False)):
        words = words_of(taken())
        words[index_of("device", offset)] = value
        given = accepted(words)
        assert (given is not None) is is_fine
        assert given is None or goes_on(machines(), given)


def test_an_entry_whose_generations_are_used_up_is_passed_over_for_ever():
    machine = played(0)
    at_info = machine.layout.offset("info")
    used_up = layout.MAX_GENERATION << layout.INFO_SHIFT
    free: list[int] = []
    while not free:
        machine.run(1)
        count = int(machine.state[layout.OBJECT_COUNT])
        free = [entry for entry in range(1, count) if machine.state[at_info + entry] & 0xFFFF_FFFF == 0]
    machine.state[at_info + free[0]] = used_up
    seen = []
    for engine in machines():
        engine.restore(bytes(machine.snapshot()))
        seen.append(engine.run(2 * FRAMES_ON))
        assert engine.state[at_info + free[0]] == used_up
        engine.restore(bytes(engine.snapshot()))  # save, load also where the search for free entries is past it
    assert seen[0] == seen[1]
    assert engine.state[layout.CURSOR] > free[0]
