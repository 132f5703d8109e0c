"""What a cartridge may call: devices, services, intrinsics, shims."""

from typing import TYPE_CHECKING

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from ..contract.lazily import lazily

if TYPE_CHECKING:
    from .registry import Registry, Service, standard
else:
    __getattr__ = lazily(
        __name__,
        {
            "Registry": "registry",
            "Service": "registry",
            "standard": "registry",
        },
    )

__all__ = ["Registry", "Service", "standard"]
