"""Threads that share out work: all that begin are waited for, and none is waited for that has not begun."""

import os
import subprocess
import sys
import threading

import pytest

from pbs.vm.workers import Workers, cores

TIMEOUT_S = 60

FORKED = """
import os, pbs
image = pbs.load(pbs.assemble('''
.func main() -> ()
again:
    FRAME_SYNC
    JMP again
.end
'''))
batch = pbs.Batch(image, 8, threads=3)
before = batch.run(50).digests
child = os.fork()
found = batch.run(50).digests
if child == 0:
    batch.run(5)
    os._exit(int((found == before).all()))
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
"""


class Jobs:
    """Numbers to take, and who took them. A thread waits at its first until so many are there."""

    def __init__(self, count: int, threads: int) -> None:
        self.left = list(range(count))
        self.taken: list[int] = []
        self.by: set[int] = set()
        self.met = threading.Barrier(threads)

    def __call__(self) -> None:
        self.met.wait(TIMEOUT_S)
        while True:
            try:
                number = self.left.pop()
            except IndexError:
                return
            self.taken.append(number)
            self.by.add(threading.get_ident())


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_threads_work_and_everything_is_done_once(threads):
    workers = Workers(threads)
    for _ in range(3):
        jobs = Jobs(1000, threads)
        workers.run(jobs, 1000)
        assert sorted(jobs.taken) == list(range(1000))


def test_there_are_no_more_threads_than_parts():
    jobs = Jobs(3, 2)
    Workers(5).run(jobs, 2)
    assert sorted(jobs.taken) == [0, 1, 2]


def test_one_thread_is_the_callers_own():
    jobs = Jobs(10, 1)
    before = threading.active_count()
    Workers(1).run(jobs, 10)
    Workers(9).run(Jobs(1, 1), 1)
    assert (jobs.by, threading.active_count()) == ({threading.get_ident()}, before)


def test_threads_stay_from_one_run_to_the_next_and_end_with_their_workers():
    workers = Workers(3)
    for _ in range(4):
        workers.run(Jobs(9, 3), 9)
        assert workers._pool is not None
        assert len(workers._pool._threads) == 2
    pool = workers._pool
    assert pool is not None
    threads = list(pool._threads)
    del workers, pool
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def test_what_fails_in_another_thread_is_raised_here():
    here = threading.get_ident()
    met = threading.Barrier(2)

    def task() -> None:
        met.wait(TIMEOUT_S)
        if threading.get_ident() != here:
            raise OverflowError

    workers = Workers(2)
    with pytest.raises(OverflowError):
        workers.run(task, 2)
    workers.run(Jobs(4, 2), 4)


def test_an_interrupt_waits_for_those_that_have_begun():
    here = threading.get_ident()
    met, go_on = threading.Barrier(2), threading.Event()
    ended = []

    def task() -> None:
        met.wait(TIMEOUT_S)
        if threading.get_ident() == here:
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt
        go_on.wait(TIMEOUT_S)
        ended.append(1)

    with pytest.raises(KeyboardInterrupt):
        Workers(2).run(task, 2)
    assert ended == [1]


def test_a_second_interrupt_leaves_them_to_the_next_run(monkeypatch):
    here = threading.get_ident()
    met, go_on = threading.Barrier(2), threading.Event()
    order = []

    def task() -> None:
        met.wait(TIMEOUT_S)
        if threading.get_ident() == here:
            return
        go_on.wait(TIMEOUT_S)
        order.append("first")

    def interrupted(_workers: Workers) -> None:
        if threading.get_ident() == here and workers._helpers:
            raise KeyboardInterrupt

    workers = Workers(2)
    with monkeypatch.context() as patches:
        patches.setattr(Workers, "_settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            workers.run(task, 2)
    go_on.set()
    workers.run(lambda: order.append("next"), 1)
    assert order == ["first", "next"]


def test_a_thread_that_comes_too_late_is_not_waited_for():
    """The other thread is busy elsewhere, so this one does everything."""
    workers = Workers(2)
    workers.run(Jobs(4, 2), 4)
    pool, busy = workers._pool, threading.Event()
    assert pool is not None
    elsewhere = pool.submit(busy.wait, TIMEOUT_S)
    jobs = Jobs(100, 1)
    workers.run(jobs, 100)
    assert jobs.by == {threading.get_ident()}
    assert not elsewhere.done()
    busy.set()


def test_a_forked_process_has_threads_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr


def test_cores_are_those_that_the_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from pbs.vm.workers import cores; print(cores())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert done.stdout == "1\n"
