"""The mistakes that can be made in a source: those of cosmic-ray, and leaving a statement out."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

_LEAVE_OUT = "leave out a statement"
# They need arguments; or they put identity in place of a comparison, which is chance for ints, and nothing new for enums.
_UNUSED = ("VariableReplacer", "VariableInserter", "Is_Eq", "IsNot_NotEq")
_IDENTITY = re.compile(r"(?<!Is)(?<!IsNot)_Is(Not)?$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One mistake that could be made: by which operator, at which of its occurrences, on which lines."""

    module: str
    operator: str
    occurrence: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Mutant:
    """A source with one mistake in it."""

    place: Place
    source: str
    line: str  # what stood there
    becomes: str  # what stands there now

    def __str__(self) -> str:
        return f"{self.place.module}:{self.place.first}: {self.line!r} -> {self.becomes!r}"


@cache
def _operators() -> tuple[str, ...]:
    return tuple(name for name in sorted(operator_names()) if not name.endswith(_UNUSED) and not _IDENTITY.search(name))


def places(module: str, source: str) -> Iterator[Place]:
    """Every place for a mistake in the source, always in the same order."""
    nodes = list(ast_nodes(get_ast(source)))
    for name in _operators():
        operator, occurrence = get_operator(name)(), 0
        for node in nodes:
            for (first, _), (last, _) in operator.mutation_positions(node):
                yield Place(module, name, occurrence, first, last)
                occurrence += 1
    for occurrence, statement in enumerate(_removable(source)):
        yield Place(module, _LEAVE_OUT, occurrence, statement.lineno, statement.end_lineno or statement.lineno)


def mutant(place: Place, source: str) -> Mutant | None:
    """The mutant; None where it is no program, or the same program: annotations and docstrings do nothing."""
    changed = _replaced(place, source)
    try:
        if changed is None or _meaning(changed) == _meaning(source):
            return None
        compiled(changed, place.module)
    except SyntaxError:
        return None
    return Mutant(place, changed, *_difference(source, changed))


def _replaced(place: Place, source: str) -> str | None:
    if place.operator == _LEAVE_OUT:
        return _without(source, _removable(source)[place.occurrence])
    try:
        changed: str | None = mutate_code(source, get_operator(place.operator)(), place.occurrence)
    except AttributeError:
        if not place.operator.endswith("ExceptionReplacer"):
            raise
        return None  # cosmic-ray does not replace an exception whose name has a dot
    return changed


def compiled(source: str, path: str) -> CodeType:
    """The code of a source, without a word about what is odd in it: `x is 0` is a mistake to be found by tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return compile(source, path, "exec", dont_inherit=True)


def statement_lines(source: str, first: int, last: int) -> range | None:
    """The lines of the innermost statement around some lines, without its body. None for the head of a def or class."""
    around: ast.stmt | None = None
    for node in ast.walk(ast.parse(source)):  # outer before inner
        if isinstance(node, ast.stmt) and node.lineno <= first and last <= (node.end_lineno or node.lineno):
            around = node
    if around is None or isinstance(around, (ast.FunctionDef, ast.ClassDef)):
        return None
    body = getattr(around, "body", None)
    until = max(last, body[0].lineno - 1) if body else around.end_lineno or around.lineno
    return range(around.lineno, until + 1)


def _removable(source: str) -> list[ast.stmt]:
    kinds = (ast.Raise, ast.Assign, ast.AugAssign)
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, kinds)
        or (isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom)))
    ]


def _without(source: str, statement: ast.stmt) -> str:
    lines = source.encode().splitlines(keepends=True)
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    head, tail = lines[first][: statement.col_offset], lines[last][statement.end_col_offset :]
    return b"".join([*lines[:first], head + b"pass" + tail, *lines[last + 1 :]]).decode()


@cache
def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _difference(before: str, after: str) -> tuple[str, str]:
    rows = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return tuple(" ".join(row[2:].strip() for row in rows if row[0] == sign) for sign in "-+")  # type: ignore[return-value]  # two signs, two texts
