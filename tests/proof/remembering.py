"""Reading many files that differ in a byte: what is the same in all of them is worked out once.

Only pure functions are remembered, by all that they look at; a fault planted in what they call is met as without.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from pbs.isa import container
from pbs.isa.code import decode_code
from pbs.isa.program import Program
from pbs.loader import cartridge, resolve
from pbs.replay import trace

from .checks import patched

verifier = import_module("pbs.verifier.verify")  # the room's own name for it is the function
MOST = 4096


@contextmanager
def remembering() -> Iterator[None]:
    """Inside of it, sections, code, manifests of cartridges, sound tables and sound functions are read once."""
    decoded = lru_cache(MOST)(decode_code)
    with ExitStack() as patches:
        for where, name, made in (
            (container, "_read", _by_section(container._read)),
            (container, "_section", lru_cache(MOST)(container._section)),
            (container, "encode_debug", lru_cache(64)(container.encode_debug)),
            (resolve, "decode_code", decoded),
            (verifier, "decode_code", decoded),
            (trace, "_Header", _Header(trace._Header)),
            (cartridge, "parse_manifest", lru_cache(64)(cartridge.parse_manifest)),
            (verifier, "check_structure", _structure(verifier.check_structure)),
            (verifier, "_Function", _functions(verifier._Function)),
        ):
            patches.enter_context(patched(where, name, made))
        yield


class _Header:
    """The header of a trace: everything is there before any of it is read."""

    def __init__(self, layout: Any) -> None:
        self.layout = layout
        self.read = lru_cache(64)(lambda data: self._read(io.BytesIO(data)))
        self.build = layout.build

    def _read(self, stream: io.BytesIO) -> tuple[Any, int]:
        return self.layout.parse_stream(stream), stream.tell()

    def parse_stream(self, stream: io.BytesIO) -> Any:
        """As the layout does."""
        found, end = self.read(stream.getvalue())
        stream.seek(end)
        return found


def _by_section(read: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Hashable, Any] = {}

    def remembered(layout: Any, kind: int, sections: dict[int, bytes], finish: Any) -> Any:
        key = (kind, sections[kind], sections[container.CODE] if kind == container.FUNCTIONS else b"")
        if key not in known:
            _forget(known)
            known[key] = read(layout, kind, sections, finish)
        return known[key]

    return remembered


def _structure(check: Callable[[Program], Iterable[Any]]) -> Callable[[Program], Iterable[Any]]:
    """Tables that fit together once fit again."""
    sound: dict[Hashable, bool] = {}

    def remembered(program: Program) -> Iterable[Any]:
        shapes = tuple([(f.signature, f.captures, f.locals, f.max_stack) for f in program.functions])
        key = (program.types, program.globals, program.constants, program.imports, program.exports, shapes)
        if key in sound:
            return ()
        _forget(sound)
        findings = list(check(program))
        if not findings:
            sound[key] = True
        return findings

    return remembered


def _functions(check: Callable[..., Any]) -> Callable[..., Any]:
    """A function that held once holds again where it and all that it may name are the same."""
    known: dict[Hashable, Any] = {}
    surroundings: dict[Hashable, int] = {}
    last: list[Any] = [None, 0]  # a program, and the number of what its functions may name

    def remembered(program: Program, index: int, *host: Any) -> Any:
        if last[0] is not program:
            shapes = tuple([(function.signature, function.captures) for function in program.functions])
            kinds = tuple([type(constant.value) for constant in program.constants])
            around = (program.types, program.globals, shapes, kinds, program.imports, program.meta.isa)
            last[:] = program, surroundings.setdefault(around, len(surroundings))
        key = (index, program.functions[index], last[1])
        found = known.get(key)
        if found is None:
            _forget(known)
            found = known[key] = check(program, index, *host)
        return found

    return remembered


def _forget(known: dict[Hashable, Any]) -> None:
    if len(known) >= MOST:
        known.clear()
