"""How an Image runs: state, frames, engines, snapshots, digests."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

from .machine import NO_INPUT, FrameResult, Input, LogEntry, Machine, Status, Trapped, TrapRecord
from .snapshot import Snapshot

__all__ = ["NO_INPUT", "FrameResult", "Input", "LogEntry", "Machine", "Snapshot", "Status", "TrapRecord", "Trapped"]
