"""How an Image runs: state, frames, engines, snapshots, digests."""

from typing import TYPE_CHECKING

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from ..contract.lazily import lazily

if TYPE_CHECKING:
    from .batch import Batch
    from .inputs import NO_INPUT, Input
    from .machine import Machine
    from .results import BatchResult, FrameResult, LogEntry, Status, Trapped, TrapRecord
    from .snapshot import Snapshot
else:
    __getattr__ = lazily(
        __name__,
        {
            "NO_INPUT": "inputs",
            "Input": "inputs",
            "Machine": "machine",
            "Batch": "batch",
            "BatchResult": "results",
            "FrameResult": "results",
            "LogEntry": "results",
            "Status": "results",
            "Trapped": "results",
            "TrapRecord": "results",
            "Snapshot": "snapshot",
        },
    )

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
