"""PBS: a deterministic bytecode machine and cartridge loader.

The whole of it in one screen:

    >>> import pbs
    >>> program = pbs.assemble('''
    ... .func main() -> ()
    ...     HALT
    ... .end
    ... .func double(n: int) -> int
    ...     GET_LOCAL n
    ...     PUSH 2
    ...     MUL
    ...     RET
    ... .end
    ... .export double
    ... ''')
    >>> machine = pbs.Machine(pbs.load(program), engine="reference")
    >>> machine.call("double", [21])
    (42,)
    >>> machine.run_frame().status.name
    'HALTED'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .contract.release import VERSION as __version__

if TYPE_CHECKING:
    from .contract import PbsError
    from .loader import Image, assemble, load
    from .replay import Trace, record, replay
    from .vm import Batch, BatchResult, FrameResult, Input, Machine, Status, TrapRecord, Trapped

# Where the public names live. They are loaded when first used, so that importing pbs costs nothing.
_HOMES = {
    "PbsError": "contract",
    "Image": "loader",
    "load": "loader",
    "assemble": "loader",
    "Batch": "vm",
    "BatchResult": "vm",
    "FrameResult": "vm",
    "Input": "vm",
    "Machine": "vm",
    "Status": "vm",
    "TrapRecord": "vm",
    "Trapped": "vm",
    "Trace": "replay",
    "record": "replay",
    "replay": "replay",
}

__all__ = [
    "Batch",
    "BatchResult",
    "FrameResult",
    "Image",
    "Input",
    "Machine",
    "PbsError",
    "Status",
    "Trace",
    "TrapRecord",
    "Trapped",
    "__version__",
    "assemble",
    "load",
    "record",
    "replay",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"pbs has no {name}")
    return getattr(import_module(f".{home}", __name__), name)
