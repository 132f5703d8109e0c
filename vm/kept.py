"""Images that were loaded before: kept in the cache, made ready for the interpreter, under a digest of all their bytes.

An entry is what `load` and `encode` made of these bytes under this very runtime (`cache`), so that neither needs to be done again,
and their modules need not even be loaded. Only what loaded without a warning is kept. It is believed as the native code beside it
is: nobody else can write there. Everything else about such an image, its program and the verifier's facts, is loaded from its bytes
when it is first asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import PbsError
from ..contract.files import read_bytes
from ..contract.limits import Limits
from ..loader.image import Image
from . import cache
from .code import Code
from .image_tables import tables_of, take_tables
from .interpreter import core_of, modules_of, native_image, take_code
from .views import AssetMemory, assets_of, take_assets

KIND = "image"
MEMBERS_KIND = "members"  # which files a manifest names
MANIFEST = "manifest.yaml"
MAX_FILE_BYTES = 256 * 1024 * 1024
_LENGTH = struct.Struct("<Q")
_NAMES = ("id", "title", "version")

Source = bytes | Mapping[str, bytes]  # a file, or the members of a cartridge


def load_kept(path: Path, *, wait: bool = True) -> Image:
    """The image of a cartridge or program: from the cache, or loaded, made ready and kept. Raises what `load` raises.

    wait: also where the native core must be made for that; else it is then not kept.
    """
    source = _read(path)
    if source is not None:
        body = cache.read(KIND, _key(source))
        if body is not None:
            return _unpack(body, source)
    return _load(path, wait)


def _read(path: Path) -> Source | None:
    """The bytes of a file, or of the members of a directory as far as it is known which those are; None: `load` knows more."""
    try:
        if not os.path.isdir(path):
            return read_bytes(path, MAX_FILE_BYTES)
        manifest = read_bytes(path / MANIFEST, MAX_FILE_BYTES)
        named = cache.read(MEMBERS_KIND, hashlib.sha256(manifest).hexdigest())
        if named is None:
            return None
        return {MANIFEST: manifest, **{name: read_bytes(path / name, MAX_FILE_BYTES) for name in json.loads(named)}}
    except PbsError:
        return None


def _key(source: Source) -> str:
    """A digest of all bytes, and of what they are."""
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(b"file\0" + source)
    else:
        for name in sorted(source):
            digest.update(name.encode() + b"\0" + _LENGTH.pack(len(source[name])) + source[name])
    return digest.hexdigest()


def _load(path: Path, wait: bool) -> Image:
    from ..loader.cartridge import MAX_CARTRIDGE_BYTES, read_directory
    from ..loader.loading import load, load_cartridge

    if not os.path.isdir(path):
        data = read_bytes(path, MAX_CARTRIDGE_BYTES)
        return _kept(load(data), data, wait)
    cartridge = read_directory(path)
    image = load_cartridge(cartridge)
    manifest = cartridge.members[MANIFEST]
    others = sorted(set(cartridge.members) - {MANIFEST})
    cache.write(MEMBERS_KIND, hashlib.sha256(manifest).hexdigest(), json.dumps(others).encode())
    return _kept(image, cartridge.members, wait)


def _kept(image: Image, source: Source, wait: bool) -> Image:
    if not image.warnings and (wait or not core_of(image).missing(modules_of(image))):
        cache.write(KIND, _key(source), _pack(image))
    return image


# ---- entries -------------------------------------------------------------------------------------------------------------


def _pack(image: Image) -> bytes:
    """Length of the head, the head as JSON, arrays one behind the other."""
    code, assets = native_image(image).code, assets_of(image)
    arrays = {field.name: getattr(code, field.name) for field in fields(Code)}
    arrays |= {"tables": tables_of(image), "asset_table": assets.table, "assets": assets.data}
    head = {
        "digest": image.digest.hex(),
        **{name: getattr(image, name) for name in _NAMES},
        "limits": asdict(image.limits),
        "modules": sorted(modules_of(image)),
        "arrays": [(name, array.dtype.str, array.shape) for name, array in arrays.items()],
    }
    text = json.dumps(head).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *(array.tobytes() for array in arrays.values())])


def _unpack(body: bytes, source: Source) -> Image:
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    head = json.loads(body[_LENGTH.size : at])
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, kind, shape in head["arrays"]:
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(bytearray(body[at : at + count * np.dtype(kind).itemsize]), kind).reshape(shape)
        at += arrays[name].nbytes
    image = KeptImage(source, head)
    take_tables(image, arrays["tables"])
    take_assets(image, AssetMemory(data=arrays["assets"], table=arrays["asset_table"]))
    take_code(image, set(head["modules"]), Code(**{field.name: arrays[field.name] for field in fields(Code)}))
    return image


class KeptImage(Image):
    """An image of which digest, limits and names are there, and what engines take from the cache; the rest is loaded when used."""

    def __init__(self, kept_source: Source, head: Mapping[str, Any]) -> None:
        known = {"digest": bytes.fromhex(head["digest"]), "limits": Limits(**head["limits"]), "warnings": ()}
        self.__dict__.update(known, kept_source=kept_source, names={name: head[name] for name in _NAMES})

    @property
    def title(self) -> str:
        """What to call it."""
        return str(self.__dict__["names"]["title"])

    @property
    def id(self) -> str | None:
        """The cartridge's id; None for a bare program."""
        found: str | None = self.__dict__["names"]["id"]
        return found

    @property
    def version(self) -> str | None:
        """The cartridge's version; None for a bare program."""
        found: str | None = self.__dict__["names"]["version"]
        return found

    def __getattr__(self, name: str) -> Any:
        """What is not there yet: load the whole image."""
        if name not in {field.name for field in fields(Image)}:
            raise AttributeError(name)
        from ..loader.cartridge import encode_cartridge
        from ..loader.loading import load

        source = self.__dict__["kept_source"]
        loaded = load(source if isinstance(source, bytes) else encode_cartridge(source))
        for field in fields(Image):
            self.__dict__.setdefault(field.name, getattr(loaded, field.name))
        return self.__dict__[name]
