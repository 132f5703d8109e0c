"""YAML as plain data: mappings, lists, strings, integers, floats, booleans and null, each spelled one way.

The stock loader turns `no` into False, `1.10` into 1.1 and `010` into 8, lets a second key overwrite the first, and follows
aliases into a billion nodes. Here plain scalars mean only what JSON would mean by them; anchors, aliases, tags, merge keys,
duplicate keys, directives and further documents are refused; size, depth and node count are bounded before anything is built.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_NODES = 20_000

_INT = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}
_OTHER_BREAKS = ("\x85", "\u2028", "\u2029")  # they end a line in YAML 1.1 and do not in YAML 1.2


class YamlProblem(Exception):
    """Why the text is not in the subset. `line` and `column` count from 1; 0 means the whole text."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


def parse(data: bytes, max_bytes: int = MAX_BYTES, max_nodes: int = MAX_NODES) -> Any:
    """The value of one strict YAML document. Raises YamlProblem, and nothing else, for any bytes."""
    if len(data) > max_bytes:
        raise YamlProblem(f"larger than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlProblem(f"not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise YamlProblem("starts with a byte order mark")
    if any(character in text for character in _OTHER_BREAKS):
        raise YamlProblem("a line break that only some readers see as one")
    return _Builder(text, max_nodes).document()


class _Loader(yaml.SafeLoader):
    """The stock scanner, which would drop directives that it does not know without a word."""

    def fetch_directive(self) -> None:
        raise yaml.scanner.ScannerError(None, None, "directives are not allowed", self.get_mark())


class _Builder:
    """Builds values from parser events with an explicit stack, so depth is ours to bound."""

    def __init__(self, text: str, max_nodes: int) -> None:
        self.text = text
        self.nodes_left = max_nodes

    def document(self) -> Any:
        documents = 0
        containers: list[Any] = []
        keys: list[str | None] = []  # beside each open mapping its pending key; None for lists
        root: list[Any] = []
        for event in self._events():
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _at(event, "only one document is allowed")
            if isinstance(event, AliasEvent):
                raise _at(event, "aliases are not allowed")
            if isinstance(event, NodeEvent) and event.anchor is not None:
                raise _at(event, "anchors are not allowed")
            if isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent)):
                self._count(event, len(containers))
                if event.tag is not None:
                    raise _at(event, "tags are not allowed")
                value = _scalar(event) if isinstance(event, ScalarEvent) else _container(event)
                self._place(event, value, root, containers, keys)
                if not isinstance(event, ScalarEvent):
                    containers.append(value)
                    keys.append(None)
            elif isinstance(event, (SequenceEndEvent, MappingEndEvent)):
                containers.pop()
                keys.pop()
        if not root:
            raise YamlProblem("empty")
        return root[0]

    def _events(self) -> Any:
        try:
            yield from yaml.parse(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            raise YamlProblem(error.problem or "not YAML", line, column) from None
        except yaml.reader.ReaderError as error:
            raise YamlProblem(f"a character that YAML does not allow at {error.position}") from None
        except (ValueError, OverflowError):  # the stock scanner on escapes such as \UFFFFFFFF
            raise YamlProblem("an escape that stands for no character") from None

    def _count(self, event: Event, depth: int) -> None:
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise _at(event, "too many values")
        if depth > MAX_DEPTH:
            raise _at(event, f"nested deeper than {MAX_DEPTH}")

    @staticmethod
    def _place(event: Event, value: Any, root: list[Any], containers: list[Any], keys: list[str | None]) -> None:
        if not containers:
            root.append(value)
        elif isinstance(containers[-1], list):
            containers[-1].append(value)
        elif keys[-1] is None:
            if not isinstance(value, str):
                raise _at(event, "a key must be a string")
            if value == "<<":
                raise _at(event, "merge keys are not allowed")
            if value in containers[-1]:
                raise _at(event, f"the key {value!r} stands twice")
            keys[-1] = value
        else:
            containers[-1][keys[-1]] = value
            keys[-1] = None


def _container(event: SequenceStartEvent | MappingStartEvent) -> Any:
    return [] if isinstance(event, SequenceStartEvent) else {}


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _at(event, "half of a surrogate pair; write the character itself")
    if event.style is not None:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise _at(event, f"{text} is beyond every float")
        return value
    if text == "":
        raise _at(event, "an empty value; write null")
    if text.lower() in (
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "false",
        "null",
        "~",
        ".nan",
        ".inf",
        "-.inf",
        "+.inf",
    ) or (text[0] in "+-.0123456789" and any(c in "0123456789" for c in text)):
        raise _at(event, f"{text!r} could mean several things; quote it or write it as JSON would")
    return text


def _at(event: Event, reason: str) -> YamlProblem:
    mark = event.start_mark
    assert mark is not None  # events read from text all carry one
    return YamlProblem(reason, mark.line + 1, mark.column + 1)
