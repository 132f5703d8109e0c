"""How an Image runs: state, frames, engines, snapshots, digests."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .batch import Batch
from .inputs import NO_INPUT, Input
from .machine import Machine
from .results import BatchResult, FrameResult, LogEntry, Status, Trapped, TrapRecord
from .snapshot import Snapshot

__all__ = [
    "NO_INPUT",
    "Batch",
    "BatchResult",
    "FrameResult",
    "Input",
    "LogEntry",
    "Machine",
    "Snapshot",
    "Status",
    "TrapRecord",
    "Trapped",
]
