"""Faults that `hostile_files` must find."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pbs.contract import strict_yaml
from pbs.isa import container
from pbs.isa.types import is_ref
from pbs.vm import snapshot_check

from .checks import Fault, patched


def planted() -> list[Fault]:
    """The first shard at Scale.TEST finds each of them, in the world's files."""
    verifier, player = import_module("pbs.verifier.verify"), import_module("pbs.replay.player")
    place, scalar = strict_yaml._Builder._place, strict_yaml._scalar
    functions, value = container._functions, snapshot_check._Checker._value

    class Lenient(strict_yaml._Builder):
        @staticmethod
        def _place(event: Any, value: Any, root: Any, containers: Any, keys: Any) -> None:
            if containers and isinstance(containers[-1], dict) and keys[-1] is None and isinstance(value, str):
                containers[-1].pop(value, None)
            place(event, value, root, containers, keys)

    def plain(event: Any) -> Any:
        try:
            return scalar(event)
        except strict_yaml.YamlProblem:
            return event.value

    def without_ranges(rows: Any, code: bytes) -> Any:
        at, moved = 0, []
        for row in rows:
            moved.append(type(row)({**row, "code_offset": at}))
            at += row.code_length
        return functions(moved, code)

    def believed(checker: Any, word: int, slot_type: int, where: str) -> None:
        if not is_ref(slot_type):
            value(checker, word, slot_type, where)

    def agreed(_function: Any, known: Any, _arriving: Any, _target: int) -> Any:
        return known

    return [
        Fault("a manifest's key may stand twice", patched(strict_yaml, "_Builder", Lenient)),
        Fault("a manifest's words of two meanings are text", patched(strict_yaml, "_scalar", plain)),
        Fault("a function's code may be said to be elsewhere", patched(container, "_functions", without_ranges)),
        Fault("a snapshot's refs are believed", patched(snapshot_check._Checker, "_value", believed)),
        Fault("paths that meet need not agree", patched(verifier._Function, "_merge", agreed)),
        Fault("a replay looks at no digest", patched(player, "_check", lambda *_: None)),
    ]
