"""Reading many files that differ in a byte: what is the same in all of them is worked out once.

Only pure functions are remembered, by all that they look at; a fault planted in what they call is met as without.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from pbs.isa import container
from pbs.isa.code import decode_code
from pbs.isa.program import Program
from pbs.loader import cartridge, resolve

from .checks import patched

verifier = import_module("pbs.verifier.verify")  # the room's own name for it is the function
MOST = 4096


@contextmanager
def remembering() -> Iterator[None]:
    """Inside of it, sections, code, manifests of cartridges and sound functions are read once."""
    decoded = lru_cache(MOST)(decode_code)
    with ExitStack() as patches:
        for where, name, made in (
            (container, "_whole", _by_layout(container._whole)),
            (resolve, "decode_code", decoded),
            (verifier, "decode_code", decoded),
            (cartridge, "parse_manifest", lru_cache(64)(cartridge.parse_manifest)),
            (verifier, "_Function", _functions(verifier._Function)),
        ):
            patches.enter_context(patched(where, name, made))
        yield


def _by_layout(read: Callable[[Any, bytes], Any]) -> Callable[[Any, bytes], Any]:
    known: dict[Hashable, Any] = {}

    def remembered(layout: Any, body: bytes) -> Any:
        key = (id(layout), body)
        if key not in known:
            _forget(known)
            known[key] = read(layout, body)
        return known[key]

    return remembered


def _functions(check: Callable[..., Any]) -> Callable[..., Any]:
    """A function that held once holds again where it and all that it may name are the same."""
    known: dict[Hashable, Any] = {}
    last: list[Any] = [None, None]  # a program, and what its functions may name

    def remembered(program: Program, index: int, *host: Any) -> Any:
        if last[0] is not program:
            shapes = tuple((function.signature, function.captures) for function in program.functions)
            kinds = tuple(type(constant.value) for constant in program.constants)
            last[:] = program, (program.types, program.globals, shapes, kinds, program.imports, program.meta.isa)
        key = (index, program.functions[index], last[1])
        if key not in known:
            _forget(known)
            known[key] = check(program, index, *host)
        return known[key]

    return remembered


def _forget(known: dict[Hashable, Any]) -> None:
    if len(known) >= MOST:
        known.clear()
