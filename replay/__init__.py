"""What happened, and does it happen again? Traces, recording, replaying.

The package's public verb has the name of this room: `pbs.replay(trace)` calls `player.replay`.
"""

from __future__ import annotations

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..contract.lazily import lazily

if TYPE_CHECKING:
    from .input_script import parse_script
    from .player import ReplayReport, record, replay
    from .recorder import Recorder
    from .trace import Trace
else:
    __getattr__ = lazily(
        __name__,
        {
            "parse_script": "input_script",
            "ReplayReport": "player",
            "record": "player",
            "replay": "player",
            "Recorder": "recorder",
            "Trace": "trace",
        },
    )


class _Room(ModuleType):
    """A module that is also the function it is named after: importing it anywhere sets `pbs.replay` to this module."""

    def __call__(self, *arguments: Any, **options: Any) -> ReplayReport:
        from .player import replay

        return replay(*arguments, **options)


sys.modules[__name__].__class__ = _Room

__all__ = ["Recorder", "ReplayReport", "Trace", "parse_script", "record", "replay"]
