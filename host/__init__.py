"""What a cartridge may call: devices, services, intrinsics, shims."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .registry import Registry, Service, standard

__all__ = ["Registry", "Service", "standard"]
