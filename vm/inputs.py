"""What players do: the input of a frame, and of the frames of many machines as words."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import UsageError
from ..host.devices import BUTTONS, HEIGHT, WIDTH
from .kernels.frames import INPUT_WORDS


@dataclass(frozen=True, slots=True)
class Input:
    """What a player does in one frame: buttons held, and where the screen is touched (None: nowhere)."""

    buttons: Set[str] = frozenset()
    touch: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "buttons", frozenset(self.buttons))  # it is a value, whatever it was made of

    def words(self) -> tuple[int, int, int, int]:
        """Mask of buttons, touch column and row, whether touched."""
        mask = 0
        for name in self.buttons:
            if name not in BUTTONS:
                raise UsageError("input_invalid", subject=name, required=" ".join(BUTTONS))
            mask |= 1 << BUTTONS.index(name)
        x, y = self.touch or (0, 0)
        if not (0 <= x < WIDTH and 0 <= y < HEIGHT):
            raise UsageError("input_invalid", subject=f"touch {x},{y}", required=f"inside {WIDTH} by {HEIGHT}")
        return mask, x, y, int(self.touch is not None)


NO_INPUT = Input()

# What `batch_words` takes
BatchInputs = Input | Iterable[Input] | Iterable[Iterable[Input]] | npt.NDArray[np.integer[Any]]

_INTEGERS = "Inputs, or an array of integers"
_WORDS = (  # of an input: how many values, and what they are
    (1 << len(BUTTONS), "a mask of buttons"),
    (WIDTH, f"a touch inside {WIDTH} by {HEIGHT}"),
    (HEIGHT, f"a touch inside {WIDTH} by {HEIGHT}"),
    (2, "1 where it is touched, 0 where not"),
)


def batch_words(given: BatchInputs | None, machines: int, frames: int) -> npt.NDArray[np.int64]:
    """The inputs of machines, as words: (1 or machines, frames, INPUT_WORDS), with 1 the same for all.

    given: nothing; one input for every frame; inputs by frame, the same for all; inputs by machine and frame; or integers: masks of
    buttons by frame, masks by machine and frame, or the four words of `Input.words` by machine and frame. More frames than
    asked for are left over. Raises UsageError for another shape, fewer frames, and what no player could do.
    """
    if given is None or isinstance(given, Input):
        return np.tile(np.array((given or NO_INPUT).words(), np.int64), (1, frames, 1))
    if isinstance(given, np.ndarray):
        return _from_array(given, machines, frames)
    items = list(given)
    rows = [items]
    if items and not isinstance(items[0], Input):
        rows = [list(row) if isinstance(row, Iterable) else [row] for row in items]
        _require_shape(len(rows) == machines, machines, frames, f"{len(rows)} rows")
    words: list[int] = []
    for row in rows:
        for one in row[:frames]:
            if not isinstance(one, Input):
                raise UsageError("input_shape_wrong", required=_INTEGERS, available=type(one).__name__)
            words += one.words()
        _require_frames(frames, len(row))
    return np.array(words, np.int64).reshape(len(rows), frames, INPUT_WORDS)


def _from_array(given: npt.NDArray[Any], machines: int, frames: int) -> npt.NDArray[np.int64]:
    by_slot = given[None] if given.ndim == 1 else given
    fits = (
        given.dtype.kind in "iu"
        and by_slot.ndim in (2, 3)
        and len(by_slot) in (1, machines)
        and by_slot.shape[2:] in ((), (INPUT_WORDS,))
    )
    _require_shape(fits, machines, frames, f"{given.dtype} {given.shape}")
    _require_frames(frames, by_slot.shape[1])
    by_word = by_slot[:, :frames].reshape(len(by_slot), frames, -1)
    words = np.zeros((len(by_slot), frames, INPUT_WORDS), np.int64)
    for i, (values, required) in enumerate(_WORDS[: by_word.shape[2]]):
        column = by_word[:, :, i]
        wrong = np.argwhere((column < 0) | (column >= values))
        if len(wrong):
            slot, frame = wrong[0].tolist()
            subject = f"slot {slot}, frame {frame}: {column[slot, frame]}"
            raise UsageError("input_invalid", subject=subject, required=required)
        words[:, :, i] = column
    return words


def _require_frames(frames: int, available: int) -> None:
    if available < frames:
        raise UsageError("inputs_too_few", required=str(frames), available=str(available))


def _require_shape(fits: bool, machines: int, frames: int, available: str) -> None:
    if not fits:
        required = f"{frames} frames for all, or {machines} rows of them"
        raise UsageError("input_shape_wrong", required=required, available=available)
