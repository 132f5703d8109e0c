"""Threads that do the same thing at the same time: they share out among themselves what there is to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


class Workers:
    """Up to `threads` threads, the caller's among them. The others wait from one run to the next."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._helpers: list[Future[Any]] = []

    def run(self, task: Callable[[], Any], parts: int) -> None:
        """Call `task` on as many threads as there are, at most one for each of so many parts, and return when all are done.

        It must be done with what is left when it is called late, and it is not called at all where a thread comes too late.
        """
        if self._process != os.getpid():  # a forked process has no threads of its parent
            self._pool, self._process, self._helpers = None, os.getpid(), []
        self._settle()  # an interrupt may have come while they were waited for
        helpers = min(self.threads, parts) - 1
        if helpers > 0:
            self._helpers = [self._threads().submit(task) for _ in range(helpers)]
        try:
            task()
        finally:
            self._settle()

    def _settle(self) -> None:
        """Wait for those that have begun; call off the others. What failed is raised when all are done."""
        failure = None
        while self._helpers:
            helper = self._helpers[-1]  # it stays until it is done: an interrupt may come
            failure = failure if helper.cancel() else helper.exception() or failure
            self._helpers.pop()
        if failure is not None:
            raise failure

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="pbs-batch")
        return self._pool


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
