"""Assembly text as tokens and statements: what assembler and disassembler agree on. Grammar: docs/formats.md, assembly.

One statement a line. `;` starts a comment. A statement is a directive (`.func`), a label (`loop:`) or an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..contract import Diagnostic, Place

MAX_TEXT_BYTES = 16 * 1024 * 1024

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+)|(?P<comment>;.*)
      |(?P<string>"(?:[^"\\]|\\.)*")
      |(?P<arrow>->)
      |(?P<number>[+-]?(?:0[xX][0-9A-Fa-f_]+|(?:[0-9][0-9_]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|(?:inf|nan)(?![A-Za-z0-9_./])))
      |(?P<directive>\.[a-z_]+)
      |(?P<identity>[A-Za-z_][A-Za-z0-9_.]*/[0-9]+)
      |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      |(?P<mark>[():,={}])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line. `kind` is a group of the token pattern; columns count from 1."""

    kind: str
    text: str
    column: int


class LineProblem(Exception):
    """Something wrong in one line. `code` is a diagnostic code."""

    def __init__(self, code: str, column: int | None, subject: str | None = None, required: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.column = column
        self.subject = subject
        self.required = required

    def at(self, line: int) -> Diagnostic:
        """The same as a finding in that line."""
        return Diagnostic(
            code=self.code, subject=self.subject, required=self.required, place=Place(line=line, column=self.column)
        )


@dataclass(slots=True)
class Statement:
    """One line: its tokens, read from the left by the methods below."""

    line: int
    tokens: list[Token]
    at: int = field(default=0)

    def peek(self, text: str) -> bool:
        """Whether the next token is exactly `text`."""
        return self.at < len(self.tokens) and self.tokens[self.at].text == text

    def accept(self, text: str) -> bool:
        """Take the next token if it is exactly `text`."""
        found = self.peek(text)
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Take `text`, or say that it is missing."""
        if not self.accept(text):
            raise self.missing(repr(text))

    def take(self, kind: str, what: str) -> Token:
        """Take a token of a kind, or say that `what` is missing."""
        if self.at < len(self.tokens) and self.tokens[self.at].kind == kind:
            self.at += 1
            return self.tokens[self.at - 1]
        raise self.missing(what)

    def more(self) -> bool:
        """Whether tokens are left."""
        return self.at < len(self.tokens)

    def next(self, what: str) -> Token:
        """Take the next token whatever it is, or say that `what` is missing."""
        if not self.more():
            raise self.missing(what)
        self.at += 1
        return self.tokens[self.at - 1]

    def missing(self, what: str) -> LineProblem:
        """The problem of something else, or nothing, where `what` should stand."""
        if self.more():
            token = self.tokens[self.at]
            return LineProblem("assembly_unexpected", token.column, token.text, what)
        last = self.tokens[-1]
        return LineProblem("assembly_operand_missing", last.column + len(last.text), None, what)

    def end(self) -> None:
        """Nothing may follow."""
        if self.more():
            raise LineProblem(
                "assembly_unexpected", self.tokens[self.at].column, self.tokens[self.at].text, "the end of the line"
            )


def statements(text: str, problems: list[Diagnostic]) -> Iterator[Statement]:
    """The lines that say something. Lines that are no tokens go to `problems`."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            tokens = _tokens(line)
        except LineProblem as problem:
            problems.append(problem.at(number))
            continue
        if tokens:
            yield Statement(number, tokens)


def _tokens(line: str) -> list[Token]:
    tokens, at = [], 0
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise LineProblem("assembly_unexpected", at + 1, line[at], "an instruction, a label or a directive")
        kind = match.lastgroup or ""
        if kind not in ("space", "comment"):
            tokens.append(Token(kind, match.group(), at + 1))
        at = match.end()
    return tokens


def is_plain_name(text: str) -> bool:
    """Whether `text` is one token, a name, wherever it stands."""
    match = _TOKEN.match(text)
    return match is not None and match.end() == len(text) and match.lastgroup == "name"


def number(token: Token) -> int | float:
    """The value of a number token; floats have a point, an exponent, or are `inf` and `nan`."""
    text = token.text.replace("_", "")
    try:
        if "x" in text or "X" in text:
            return int(text, 16)
        if any(c in text for c in ".eEin"):
            return float(text)
        return int(text)
    except ValueError:  # underscores alone, or thousands of digits
        raise LineProblem("assembly_operand_invalid", token.column, token.text[:40], "a number") from None


def string(token: Token) -> bytes:
    r"""The bytes of a string token: UTF-8, with \n \t \0 \" \\ and \xHH for any byte."""
    out, text, at = bytearray(), token.text[1:-1], 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode("utf-8", "surrogatepass")
            at += 1
        elif text[at + 1] == "x":
            digits = text[at + 2 : at + 4]
            if not re.fullmatch(r"[0-9A-Fa-f]{2}", digits, re.ASCII):
                raise LineProblem(
                    "assembly_operand_invalid", token.column + at, f"\\x{digits}", "two hexadecimal digits"
                )
            out.append(int(digits, 16))
            at += 4
        elif text[at + 1] in _ESCAPES:
            out += _ESCAPES[text[at + 1]].encode()
            at += 2
        else:
            raise LineProblem(
                "assembly_operand_invalid", token.column + at, text[at : at + 2], r"one of \n \t \0 \" \\ \xHH"
            )
    return bytes(out)


def quote(data: bytes) -> str:
    """A string token whose value is `data`."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t"}
    return (
        '"' + "".join(plain.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data) + '"'
    )
