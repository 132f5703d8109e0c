"""One notion of "what went wrong" for everyone: a registered code, where, and what to do next.

The registry is `diagnostics.yaml`: code, family, sentence, hint. Codes are frozen: they are added, never changed. A
`Diagnostic` is one finding; a `PbsError` carries one or several and belongs to the family of its first. The projections
at the end are the only forms in which a diagnostic leaves the program: text, JSON, exit code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Self


class Family(Enum):
    """Whose fault it is, and with that the exit code. Families never mix."""

    TRAP = "trap"  # the guest program stopped itself
    USAGE = "usage"  # the command was not understood
    MALFORMED = "malformed"  # bytes that are not what they claim to be
    INVALID = "invalid"  # well-formed, but breaks a rule of the machine
    INCOMPATIBLE = "incompatible"  # valid, but not for this runtime
    LIMIT = "limit"  # a declared limit was reached
    STORAGE = "storage"  # files and streams of the host
    DIVERGED = "diverged"  # a replay did not repeat what was recorded
    SLOWER = "slower"  # a comparison found what it was to guard against
    DENIED = "denied"  # gate, activation, capability
    INTERRUPTED = "interrupted"  # by the person or the system
    INTERNAL = "internal"  # our bug

    @property
    def exit_code(self) -> int:
        """The process exit status of this family (docs/machine.md, command line)."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Family.TRAP: 1,
    Family.USAGE: 2,
    Family.MALFORMED: 3,
    Family.INVALID: 3,
    Family.INCOMPATIBLE: 3,
    Family.LIMIT: 4,
    Family.STORAGE: 5,
    Family.DIVERGED: 6,
    Family.SLOWER: 8,
    Family.DENIED: 7,
    Family.INTERRUPTED: 130,
    Family.INTERNAL: 70,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the registry. `code` and `family` are frozen; `sentence` and `hint` may be reworded."""

    code: str
    family: Family
    sentence: str
    hint: str


@cache
def registry() -> Mapping[str, Entry]:
    """Every code, in the order of the registry file."""
    from .strict_yaml import parse

    rows = parse(files(__package__).joinpath("diagnostics.yaml").read_bytes(), max_bytes=1 << 20)
    return {
        code: Entry(code=code, family=Family(family), sentence=row["sentence"], hint=row["hint"])
        for family, codes in rows.items()
        for code, row in codes.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a program: function index, byte offset from the function's start, source line (1 is the first)."""

    function: int | None = None
    pc: int | None = None
    name: str | None = None  # the function's, from the debug section
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding. `code` is stable; everything else may become more precise."""

    code: str
    subject: str | None = None  # what it is about: a path, an identity, a member
    place: Place | None = None
    required: str | None = None
    available: str | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in registry():
            raise InternalError(f"unregistered diagnostic code {self.code!r}")

    @property
    def entry(self) -> Entry:
        """The registry row of the code."""
        return registry()[self.code]


class PbsError(Exception):
    """A coded failure: one or more diagnostics of which the first gives family and exit code."""

    families: ClassVar[frozenset[Family]] = frozenset(Family)

    def __init__(
        self,
        code: str,
        *,
        subject: str | None = None,
        place: Place | None = None,
        required: str | None = None,
        available: str | None = None,
        details: Mapping[str, str | int] | None = None,
        findings: Sequence[Diagnostic] = (),
    ) -> None:
        self.diagnostic = Diagnostic(
            code=code, subject=subject, place=place, required=required, available=available, details=details or {}
        )
        self.findings = tuple(findings)  # what else was found, or the causes of a code that sums up
        if self.diagnostic.entry.family not in self.families:
            raise InternalError(f"{code} does not belong to {type(self).__name__}")
        super().__init__(code)

    @classmethod
    def of(cls, findings: Sequence[Diagnostic]) -> Self:
        """The error of one or more findings: the first is the diagnostic, the others follow it."""
        first = findings[0]
        return cls(
            first.code,
            subject=first.subject,
            place=first.place,
            required=first.required,
            available=first.available,
            details=first.details,
            findings=findings[1:],
        )

    @property
    def code(self) -> str:
        """The stable code."""
        return self.diagnostic.code

    @property
    def exit_code(self) -> int:
        """The exit status of the family."""
        return self.diagnostic.entry.family.exit_code

    def __str__(self) -> str:
        return text(self)


class UsageError(PbsError):
    """The command or the call was not understood."""

    families = frozenset({Family.USAGE})


class Rejected(PbsError):
    """Input refused: malformed, invalid, or not for this runtime."""

    families = frozenset({Family.MALFORMED, Family.INVALID, Family.INCOMPATIBLE})


class LimitReached(PbsError):
    """A declared limit ended the run."""

    families = frozenset({Family.LIMIT})


class StorageError(PbsError):
    """A file or stream of the host failed."""

    families = frozenset({Family.STORAGE})


class Diverged(PbsError):
    """A replay did not repeat what was recorded."""

    families = frozenset({Family.DIVERGED})


class Denied(PbsError):
    """Refused by a gate or a missing capability."""

    families = frozenset({Family.DENIED})


class Interrupted(PbsError):
    """A person or the system ended the command."""

    families = frozenset({Family.INTERRUPTED})


class InternalError(Exception):
    """Our own mistake. It crashes loudly; nothing catches it to carry on."""


# ---- projections ---------------------------------------------------------------------------------------------------


def text(error: PbsError) -> str:
    """For people: the sentence with its code, where, the causes, and what to do next."""
    lines = [line(error.diagnostic)]
    lines += ["  " + line(finding) for finding in error.findings]
    hints = dict.fromkeys(d.entry.hint for d in (error.diagnostic, *error.findings) if d.entry.hint)
    lines += [f"hint: {hint}" for hint in list(hints)[:3]]
    return "\n".join(lines)


def line(diagnostic: Diagnostic) -> str:
    """One diagnostic in one line."""
    where = [] if diagnostic.subject is None else [printable(diagnostic.subject)]
    place = diagnostic.place
    if place is not None:
        if place.line is not None:
            where.append(f"line {place.line}" + (f", column {place.column}" if place.column is not None else ""))
        if place.function is not None:
            where.append(f"function {place.function}" + (f" ({printable(place.name)})" if place.name else ""))
        if place.pc is not None:
            where.append(f"pc {place.pc}")
    sentence = f"{diagnostic.code}: {diagnostic.entry.sentence}"
    parts = [f"{sentence}: {', '.join(where)}" if where else sentence]
    facts = [f"needs {printable(diagnostic.required)}"] if diagnostic.required is not None else []
    facts += [f"has {printable(diagnostic.available)}"] if diagnostic.available is not None else []
    facts += [f"{key} {printable(str(value))}" for key, value in diagnostic.details.items()]
    if facts:
        parts.append(f"({', '.join(facts)})")
    return " ".join(parts)


def printable(value: str) -> str:
    """The text, escaped where it has no shape: text from outside may hold what a terminal would obey."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value)


def as_json(error: PbsError) -> dict[str, Any]:
    """For machines: `{"error": ...}`, closed, schema `error.schema.json`."""
    return {"error": {**_object(error.diagnostic), "findings": [_object(finding) for finding in error.findings]}}


def _object(diagnostic: Diagnostic) -> dict[str, Any]:
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "family": diagnostic.entry.family.value,
        "message": diagnostic.entry.sentence,
        "hint": diagnostic.entry.hint,
        "subject": diagnostic.subject,
        "place": None
        if place is None
        else {
            "function": place.function,
            "name": place.name,
            "pc": place.pc,
            "line": place.line,
            "column": place.column,
        },
        "required": diagnostic.required,
        "available": diagnostic.available,
        "details": dict(sorted(diagnostic.details.items())),
    }
