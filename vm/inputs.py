"""What players do: the input of a frame."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from ..contract import UsageError
from ..host.devices import BUTTONS, HEIGHT, WIDTH


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
