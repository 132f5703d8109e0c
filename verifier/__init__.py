"""May this program run? Proves it, and publishes what was proved as facts for the engines."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .facts import Block, Facts, FunctionFacts, HostCall
from .verify import verify

__all__ = ["Block", "Facts", "FunctionFacts", "HostCall", "verify"]
