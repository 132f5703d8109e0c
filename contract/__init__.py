"""What everyone may rely on: diagnostics, axes, version ranges, profiles, frozen schemas."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .diagnostics import (
    Denied,
    Diagnostic,
    Diverged,
    Family,
    InternalError,
    Interrupted,
    LimitReached,
    PbsError,
    Place,
    Rejected,
    StorageError,
    UsageError,
)

__all__ = [
    "Denied",
    "Diagnostic",
    "Diverged",
    "Family",
    "InternalError",
    "Interrupted",
    "LimitReached",
    "PbsError",
    "Place",
    "Rejected",
    "StorageError",
    "UsageError",
]
