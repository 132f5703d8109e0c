"""Parts of the checks in processes of their own, so that what kills one is known and costs no more than that part."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait

from .checks import Scale, run_shard

Part = tuple[str, int, int]  # check, shard, number of shards
Outcome = tuple[dict[str, int], str | None, float]  # figures, what was disproved, CPU seconds
Run = Callable[[str, int, int, Scale], Outcome]

LIMIT_S = 7200  # of processor time, which no part needs: it hangs
_SPAWN = multiprocessing.get_context("spawn")


def outcomes(parts: Iterable[Part], scale: Scale, jobs: int, run: Run = run_shard) -> Iterator[tuple[Part, Outcome]]:
    """What came of each part, as they end; `jobs` of them run at a time. A process that dies has disproved something."""
    waiting = iter(parts)
    running: dict[Connection, tuple[Part, multiprocessing.process.BaseProcess]] = {}
    while True:
        while len(running) < jobs and (part := next(waiting, None)):
            ours, theirs = _SPAWN.Pipe(duplex=False)
            process = _SPAWN.Process(target=_send, args=(theirs, run, part, scale), daemon=True)
            process.start()
            theirs.close()
            running[ours] = part, process
        if not running:
            return
        for ready in wait(list(running)):
            assert isinstance(ready, Connection)
            part, process = running.pop(ready)
            try:
                outcome = ready.recv()
            except EOFError:
                process.join()
                outcome = {}, f"part {part[1]} of {part[2]}: the process ended with {process.exitcode}", 0.0
            process.join()
            yield part, outcome


def _send(to: Connection, run: Run, part: Part, scale: Scale) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
    to.send(run(*part, scale))
