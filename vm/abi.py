"""How LLVM code calls what numba compiled: `i32 f(result*, exception**, arguments...)`.

Views are plain pointers, scalars i64 or double; results lie one behind the other where the first pointer says. This is numba's
own convention, not a promise of numba's: the version is pinned and a test holds it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

POINTERS = frozenset({"Words", "Bytes", "Pixels", "Any"})  # annotations of views; `Any` is an engine: its context
SCALARS = {"int": "W", "float": "F", "bool": "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A function as compiled code calls it, read off its annotations.

    views: parameters that are pointers, by name, in front. takes, gives: a letter per scalar, `W` an i64, `F` a double.
    """

    symbol: str
    views: tuple[str, ...]
    takes: str
    gives: str


def compiled(function: Callable[..., Any]) -> Compiled:
    """How to call `function` once it is compiled. Its symbol is made of its module and name."""
    annotations = dict(inspect.get_annotations(function))
    results = annotations.pop("return")
    views = tuple(name for name, kind in annotations.items() if kind in POINTERS)
    scalars = [kind for kind in annotations.values() if kind not in POINTERS]
    return Compiled(
        symbol=symbol_of(function),
        views=views,
        takes="".join(SCALARS[kind] for kind in scalars),
        gives="".join(SCALARS[kind] for kind in parts_of(results)),
    )


def symbol_of(function: Callable[..., Any]) -> str:
    """The symbol of a compiled function."""
    return f"{function.__module__}.{function.__qualname__}"


def parts_of(annotation: str) -> list[str]:
    """The results that a return annotation stands for."""
    if annotation.startswith("tuple["):
        return [part.strip() for part in annotation[6:-1].split(",")]
    return [] if annotation == "None" else [annotation]


def declaration(function: Compiled) -> str:
    """The IR declaration."""
    parts = ["ptr", "ptr", *("ptr" for _ in function.views), *(scalar(letter) for letter in function.takes)]
    return f'declare i32 @"{function.symbol}"({", ".join(parts)})'


def scalar(letter: str) -> str:
    """The IR type of a scalar."""
    return "double" if letter == "F" else "i64"
