"""How sure a ratio is: a bootstrap over the rounds.

A round times both releases, one right after the other, so rounds are drawn as pairs: what disturbed one mostly disturbed the
other. From each draw of as many rounds as there were comes the ratio of the two medians; the interval holds the middle 95 % of
RESAMPLES such ratios. The draws are the same every time. Source: Efron and Tibshirani, An
Introduction to the Bootstrap, chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
SEED = 20_260_101
CONFIDENCE = 0.95
_Ratios = npt.NDArray[np.float64]

SLOWER, FASTER, EQUAL, UNCLEAR = "slower", "faster", "equal", "unclear"


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio of times, B over A, and between which two it lies with the stated confidence."""

    ratio: float
    low: float
    high: float

    def verdict(self, threshold: float) -> str:
        """What the whole interval says of a change by `threshold` (0.05 is 5 %); unclear where it does not decide."""
        if self.low > 1 + threshold:
            return SLOWER
        if self.high < 1 / (1 + threshold):
            return FASTER
        inside = self.low >= 1 / (1 + threshold) and self.high <= 1 + threshold
        return EQUAL if inside else UNCLEAR


def intervals(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[Interval], Interval]:
    """For each benchmark, given as (seconds of A, seconds of B), round by round; and for their geometric mean."""
    draw = np.random.default_rng(SEED)
    rows, logarithms = [], []
    for a, b in pairs:
        resampled = _resampled(np.array(a), np.array(b), draw)
        rows.append(_interval(float(np.median(b) / np.median(a)), resampled))
        logarithms.append(np.log(resampled))
    ratio = float(np.exp(np.mean([np.log(row.ratio) for row in rows])))
    return rows, _interval(ratio, np.exp(np.mean(logarithms, axis=0)))


def _resampled(a: _Ratios, b: _Ratios, draw: np.random.Generator) -> _Ratios:
    rounds = draw.integers(0, len(a), size=(RESAMPLES, len(a)))
    ratios: _Ratios = np.median(b[rounds], axis=1) / np.median(a[rounds], axis=1)
    return ratios


def _interval(ratio: float, resampled: _Ratios) -> Interval:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Interval(ratio, float(low), float(high))
