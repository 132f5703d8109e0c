"""How bytes on disk become a trusted Image: manifest, cartridge, resolve, patch, load."""

from typing import TYPE_CHECKING

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from ..contract.lazily import lazily

if TYPE_CHECKING:
    from .image import Image
    from .loading import load
    from .toolchain import assemble
else:
    __getattr__ = lazily(
        __name__,
        {
            "Image": "image",
            "load": "loading",
            "assemble": "toolchain",
        },
    )

__all__ = ["Image", "assemble", "load"]
