"""An image's code as the interpreter runs it: what `encode` makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

RECORD = 32  # bytes
FLOAT_BANK = 1 << 32  # added to a slot held in the float accumulator


@dataclass(frozen=True, kw_only=True)
class Code:
    """An image's records. Tables are beside the records unless they say otherwise; all int64.

    where, opcodes: place (function << 32 | pc) of the instruction, and which it is. rest: cycles given back when it traps.
    leaders, leader_cost: place and cost of the block that begins with the record, else -1. held: slot whose value the
    accumulator holds on entry (plus FLOAT_BANK), or -1.
    blocks, block_records: places of all blocks, sorted, and their first records. functions: per function the record of its
    entry, its block's cost, frame words, slots filled by a caller, slots to clear.
    """

    records: npt.NDArray[np.int64]  # (n, 4)
    where: npt.NDArray[np.int64]
    opcodes: npt.NDArray[np.int64]
    leaders: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]
    leader_cost: npt.NDArray[np.int64]
    held: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    block_records: npt.NDArray[np.int64]
    functions: npt.NDArray[np.int64]  # (functions, 5)

    @cached_property
    def variants(self) -> frozenset[int]:
        """The numbers of the variants that occur."""
        return frozenset(int(number) for number in np.unique(self.records[:, 0]))

    def bound(self, handlers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The records with the addresses of their handlers. `handlers`: address by variant number."""
        records = self.records.copy()
        records[:, 0] = handlers[self.records[:, 0]]
        return records
