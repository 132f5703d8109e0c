"""Our engines as a peer among peers: `python -m pbs.bench.peers.ours ENGINE NAME N` prints what the other programs print."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from ...vm import Machine
from ..suite import KERNELS


def main(arguments: Sequence[str]) -> None:
    """Run one kernel once, after a small one to warm up."""
    engine, name, size = arguments[0], arguments[1], int(arguments[2])
    (kernel,) = (kernel for kernel in KERNELS if kernel.name == name)
    machine = Machine(kernel.image(), engine=engine)
    machine.call(name, [1])
    start = time.process_time()
    (result,) = machine.call(name, [size])
    print(name, size, result, f"{time.process_time() - start:.9f}")


if __name__ == "__main__":
    main(sys.argv[1:])
