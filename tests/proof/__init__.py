"""The proof harness: what the machine promises, tried at two scales.

A check is a module here with

    SHARDS: Mapping[Scale, int]                      parts that may run beside each other
    check(scale, shard, shards) -> Figures           does its part; raises Disproved with the case that shows it

`make test` runs every check at Scale.TEST (tests/proof/test_*.py), `make soak` runs them all at Scale.SOAK on all cores and writes
what they counted as JSON. The ids R1 ... R28 are those of docs/testing.md.
"""
