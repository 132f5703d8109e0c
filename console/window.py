"""A window, by SDL through pygame-ce: the picture in whole multiples of its size, keys with their true times."""

from __future__ import annotations

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import numpy as np
import pygame

from ..contract import UsageError
from ..contract.notices import notify
from ..host.devices import HEIGHT, WIDTH
from ..vm import Input
from .picture import Screen, to_rgb
from .views import KEY_HELP, KEYS

SCALE = 3


class Window:
    """One window. It may be resized; the picture keeps its shape and its pixels stay square."""

    name = "window"

    def __init__(self, title: str) -> None:
        try:
            pygame.display.init()
            self._surface = pygame.display.set_mode((WIDTH * SCALE, HEIGHT * SCALE), pygame.RESIZABLE)
        except pygame.error as error:
            pygame.display.quit()
            raise UsageError("view_unavailable", subject="window", details={"reason": str(error)}) from None
        pygame.display.set_caption(title)
        notify(f"{title}: {KEY_HELP}")
        self._keys = {pygame.key.key_code(key): button for key, button in KEYS.items()}
        self._picture = pygame.Surface((WIDTH, HEIGHT))
        self._place = pygame.Rect(0, 0, WIDTH * SCALE, HEIGHT * SCALE)

    def show(self, screen: Screen) -> None:
        """Draw the picture as large as fits."""
        pygame.surfarray.blit_array(self._picture, np.swapaxes(to_rgb(screen), 0, 1))
        width, height = self._surface.get_size()
        scale = max(min(width // WIDTH, height // HEIGHT), 1)
        self._place = pygame.Rect(0, 0, WIDTH * scale, HEIGHT * scale)
        self._place.center = (width // 2, height // 2)
        self._surface.fill((0, 0, 0))
        self._surface.blit(pygame.transform.scale(self._picture, self._place.size), self._place)
        pygame.display.flip()

    def sample(self) -> Input | None:
        """Keys and mouse button as they are now."""
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                return None
        pressed = pygame.key.get_pressed()
        buttons = frozenset(button for key, button in self._keys.items() if pressed[key])
        touch = None
        if pygame.mouse.get_pressed()[0]:
            x, y = pygame.mouse.get_pos()
            scale = self._place.width // WIDTH
            at = ((x - self._place.left) // scale, (y - self._place.top) // scale)
            touch = at if 0 <= at[0] < WIDTH and 0 <= at[1] < HEIGHT else None
        return Input(buttons, touch)

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()
