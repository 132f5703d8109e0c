"""The views of a machine's memory by name, as plain Python sees them: memoryviews, which give and take Python ints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..host.devices import DEVICE_WORDS, ROW_WORDS, SCREEN, VIEWS
from ..loader.image import Image
from .elements import SIZES, elements
from .layout import (
    AT_HEAP,
    AT_LOG,
    AT_OBJECTS,
    AT_PIXELS,
    AT_RECORD,
    AT_ROWS,
    COROUTINE_LIMIT,
    DEVICE,
    HEAP_LIMIT,
    OBJECT_LIMIT,
)

if TYPE_CHECKING:
    from ..host.bitmap import Bitmap

ASSET_WORDS = 8  # kind, first byte of the pixels, width, height, frames, key colour, two spare


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMemory:
    """The cartridge's assets as devices read them; part of the image, never written."""

    data: npt.NDArray[np.uint8]
    table: npt.NDArray[np.int64]


_ASSETS: WeakKeyDictionary[Image, AssetMemory] = WeakKeyDictionary()


def assets_of(image: Image) -> AssetMemory:
    """The assets of an image; made once."""
    made = _ASSETS.get(image)
    if made is None:
        made = _ASSETS[image] = asset_memory(image.assets)
    return made


def take_assets(image: Image, assets: AssetMemory) -> None:
    """The assets of an image that need not be made, for they were kept."""
    _ASSETS[image] = assets


def asset_memory(assets: tuple[Bitmap, ...]) -> AssetMemory:
    """All pixels one behind the other, and a row for each asset."""
    rows, parts, at = [], [], 0
    for bitmap in assets:
        rows.append((1, at, bitmap.width, bitmap.height, bitmap.frames, bitmap.key, 0, 0))
        parts.append(bitmap.pixels)
        at += len(bitmap.pixels)
    return AssetMemory(
        data=np.frombuffer(b"".join(parts) or b"\0", dtype=np.uint8),
        table=np.array(rows, dtype=np.int64).reshape(-1),
    )


def spans(state: npt.NDArray[np.int64], assets: AssetMemory) -> dict[str, tuple[npt.NDArray[Any], int, int]]:
    """View name to (array it lies in, first byte, elements)."""
    log_bytes = 8 * (int(state[AT_RECORD]) - int(state[AT_LOG]))
    return {
        "device": (state, 8 * DEVICE, DEVICE_WORDS),
        "pixels": (state, 8 * int(state[AT_PIXELS]), 2 * SCREEN),
        "log": (state, 8 * int(state[AT_LOG]), log_bytes),
        "objects": (state, 8 * int(state[AT_OBJECTS]), 2 * int(state[OBJECT_LIMIT])),
        "heap_bytes": (state, 8 * int(state[AT_HEAP]), 8 * int(state[HEAP_LIMIT])),
        "coroutines": (state, 8 * int(state[AT_ROWS]), ROW_WORDS * int(state[COROUTINE_LIMIT])),
        "assets": (assets.data, 0, len(assets.data)),
        "asset_table": (assets.table, 0, len(assets.table)),
    }


_FORMATS: dict[str, Literal["q", "H", "B"]] = {"int64": "q", "uint16": "H", "uint8": "B"}


def plain_views(state: npt.NDArray[np.int64], assets: AssetMemory) -> Mapping[str, Any]:
    """Every view as a memoryview, or as what is one to its readers."""
    views = {}
    for name, (array, first, count) in spans(state, assets).items():
        kind = _FORMATS[VIEWS[name]]
        found = elements(array.data, kind) if array.dtype == np.int64 else array.data
        start = first // SIZES[kind]
        views[name] = found[start : start + count]
    return views
