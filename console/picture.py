"""The screen as a picture: RGB565 to RGB, and PNG files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..contract.files import write_bytes

Screen = npt.NDArray[np.uint16]  # shape (180, 320), RGB565
Picture = npt.NDArray[np.uint8]  # shape (rows, columns, 3)


def to_rgb(screen: Screen) -> Picture:
    """Eight bits per channel; the highest bits fill the lowest, so black stays black and white becomes white."""
    red, green, blue = screen >> 11, screen >> 5 & 63, screen & 31
    channels = (red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2)
    return np.stack(channels, axis=-1).astype(np.uint8)


def png(screen: Screen, scale: int = 1) -> bytes:
    """A PNG file of the screen, every pixel `scale` by `scale`."""
    from PIL import Image

    picture = to_rgb(screen).repeat(scale, axis=0).repeat(scale, axis=1)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG", optimize=False)
    return out.getvalue()


def save_png(path: Path, screen: Screen, scale: int = 1) -> None:
    """Write the picture; raises StorageError."""
    write_bytes(path, png(screen, scale))
