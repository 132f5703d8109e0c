"""Every check of the proof harness, at the scale that each `make test` can afford."""

import pytest

from tests.proof.checks import CHECKS, Scale, find, shards_of


@pytest.mark.parametrize(("name", "shard", "shards"), shards_of(list(CHECKS), Scale.TEST))
def test_the_promise_holds(name, shard, shards):
    figures = find(name).check(Scale.TEST, shard, shards)
    assert figures, "a check says what it counted"
    assert all(count > 0 for count in figures.values()), figures
