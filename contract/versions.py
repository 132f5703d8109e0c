"""Versions and ranges of the contract axes: SemVer 2.0, compared as such, inferred never."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from semver import Version

MAX_LENGTH = 64
_SHAPE = re.compile(
    r"[0-9A-Za-z.+-]{1,64}", re.ASCII
)  # the library alone would take "1.2.3\n" and other scripts' digits


@lru_cache(1024)
def parse_version(text: str) -> Version:
    """A SemVer 2.0 version. Raises ValueError for anything else, also for more than 64 characters."""
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"not a version: {text!r:.80}")
    return Version.parse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """From `minimum` to `maximum`, both included. Without a maximum it ends before the next major."""

    minimum: Version
    maximum: Version | None = None

    def __post_init__(self) -> None:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("the range is empty")

    def contains(self, version: Version) -> bool:
        """Whether `version` lies in the range."""
        if version < self.minimum:
            return False
        return version.major == self.minimum.major if self.maximum is None else version <= self.maximum

    def reaches_major(self, major: int) -> bool:
        """Whether any version of that major line could lie in the range."""
        return self.minimum.major <= major <= (self.maximum or self.minimum).major

    def __str__(self) -> str:
        return f">={self.minimum}" + (f" <={self.maximum}" if self.maximum else f" <{self.minimum.major + 1}.0.0")
