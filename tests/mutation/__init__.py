"""Mutation testing: a small mistake is made in a trusted module, and its unit tests must notice.

`make mutants`, or `python -m tests.mutation [MODULE ...] [--mutants N] [--seed S]`. It works on a copy of the tree and changes no
file: a mutant exists in the memory of one process. Mistakes that nobody could notice are explained in tests/proof/survivors.yaml.
"""
