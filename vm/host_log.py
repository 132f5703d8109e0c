"""The host-call log: every call of a frame, mixed into one word of the devices' state."""

from __future__ import annotations

from .exact_words import MASK

FACTOR = 0x9E37_79B9_7F4A_7C15  # 2**64 divided by the golden ratio, odd


def mix(digest: int, word: int) -> int:
    """The digest after one more word; both below 2**64. Native code does the same in four instructions."""
    product = (digest ^ word) * FACTOR & MASK
    return product ^ product >> 32
