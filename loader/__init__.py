"""How bytes on disk become a trusted Image: manifest, cartridge, resolve, patch, load."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .image import Image
from .load import load
from .toolchain import assemble

__all__ = ["Image", "assemble", "load"]
