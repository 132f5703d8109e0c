"""Trials of mutants. Runs in a copy of the tree; each trial is a fork of this process, which has imported all but PBS itself."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path

import coverage
import pytest

from .mutations import Mutant, compiled, statement_lines

KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
# A limit of processor time: so much, and some times what the tests took. By the clock, as others use the machine, some times that.
FIRST_SECONDS = 15.0
SLOWER = 4.0
WAITS = 20.0
MEMORY_BYTES = 8 << 30
QUIET = (
    "-q",
    "-x",
    "--no-header",
    "--no-summary",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
    "-p",
    "no:xdist",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
HEAVY = (
    "numpy",
    "construct",
    "yaml",
    "jsonschema",
    "semver",
    "xxhash",
    "hypothesis",
    "llvmlite.binding",
    "platformdirs",
)


@dataclass(slots=True)
class Baseline:
    """What the tests do without a mistake: how long each takes, and which lines of a module it goes through."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def stages(self, mutant: Mutant, source: str) -> list[set[str] | None]:
        """Which tests to run first, then, and at last; None is all of them.

        First those of the nearest file that meet the changed lines, then all that meet them. Lines that are met as the module is
        imported are met by all.
        """
        lines = statement_lines(source, mutant.place.first, mutant.place.last)
        met = self.lines.get(mutant.place.module, {})
        names: set[str] = set().union(*(met.get(at, set()) for at in lines or ()))
        fitting = set(self.seconds) if lines is None or "" in names else names
        near = _nearest(fitting, Path(mutant.place.module).stem)
        return [names for names in (near, fitting) if names and names != set(self.seconds)] + [None]


def _nearest(names: set[str], stem: str) -> set[str]:
    """Those in files of the module's name, or else those of the file that has most."""
    files = Counter(_file(name) for name in sorted(names))
    named = {file for file in files if stem in Path(file).stem}
    chosen = named or {file for file, _ in files.most_common(1)}
    return {name for name in names if _file(name) in chosen}


def _file(name: str) -> str:
    return name.partition("::")[0]


def prepare() -> None:
    """Import what is the same in every trial, once."""
    for name in HEAVY:
        importlib.import_module(name)
    if any(name.partition(".")[0] == "pbs" for name in sys.modules):
        raise AssertionError("PBS must be imported by trials only: its modules are what they change")


def observe(tests: Iterable[str], modules: Iterable[str]) -> Baseline:
    """Run the tests as they are. Raises AssertionError where one fails."""
    recorder = coverage.Coverage(data_file=None, config_file=False, include=list(modules))
    plugin = _Observer(recorder)

    def work() -> int:
        recorder.start()
        status = _pytest(tests, plugin)
        recorder.stop()
        if status == 0:
            data = recorder.get_data()
            for module in modules:
                rows = data.contexts_by_lineno(str(Path(module).resolve()))
                plugin.found.lines[module] = {at: set(names) for at, names in rows.items()}
            _write(plugin.found)
        return status

    pid = _fork(work, 3600)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise AssertionError(f"without a mistake the tests must pass: {' '.join(tests)}, exit {status}")
    return _read()


@dataclass(slots=True)
class _Running:
    mutant: Mutant
    deadline: float
    done: set[str]  # tests run so far, this trial's included
    later: list[set[str] | None]


def try_all(
    mutants: Iterable[Mutant], tests_of: Callable[[str], tuple[str, ...]], source_of: Callable[[str], str],
    baselines: Callable[[str], Baseline], jobs: int,
) -> Iterator[tuple[Mutant, str]]:  # fmt: skip
    """Each mutant with what became of it, as they end: some tests first, and the next where those pass."""
    waiting = iter(mutants)
    running: dict[int, _Running] = {}

    def start(mutant: Mutant, stages: list[set[str] | None], done: set[str]) -> None:
        baseline = baselines(mutant.place.module)
        names = stages[0]
        chosen = (set(baseline.seconds) if names is None else names) - done
        files = tests_of(mutant.place.module) if names is None else sorted({_file(name) for name in chosen})
        limit = FIRST_SECONDS + SLOWER * sum(baseline.seconds.get(name, 0) for name in chosen)
        selection = _Selection(names, done, baseline.seconds)
        pid = _fork(lambda: _trial(mutant, files, selection), limit)
        running[pid] = _Running(mutant, time.monotonic() + WAITS * limit, done | chosen, stages[1:])

    while True:
        while len(running) < jobs and (mutant := next(waiting, None)) is not None:
            start(mutant, baselines(mutant.place.module).stages(mutant, source_of(mutant.place.module)), set())
        if not running:
            return
        pid, state = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            one, code = running.pop(pid), os.waitstatus_to_exitcode(state)
            if code not in (0, 5):  # 5: a test of that name is not there any more
                yield one.mutant, TIMED_OUT if code == -signal.SIGXCPU else KILLED
            elif one.later:
                start(one.mutant, one.later, one.done)
            else:
                yield one.mutant, SURVIVED
            continue
        for late in [at for at, one in running.items() if time.monotonic() > one.deadline]:
            os.killpg(late, signal.SIGKILL)
            os.waitpid(late, 0)
            yield running.pop(late).mutant, TIMED_OUT
        time.sleep(0.01)


def _fork(work: Callable[[], int], seconds: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 3
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 60))
        nowhere = os.open(os.devnull, os.O_RDWR)
        if not os.environ.get("MUTANTS_SHOW"):
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
        status = int(work())
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _trial(mutant: Mutant, files: Iterable[str], selection: _Selection) -> int:
    name = "pbs." + mutant.place.module.removesuffix(".py").replace("/", ".")
    get_code = SourceFileLoader.get_code
    code = compiled(mutant.source, str(Path("src/pbs", mutant.place.module).absolute()))

    def changed(self: SourceFileLoader, fullname: str) -> object:
        return code if fullname == name else get_code(self, fullname)

    SourceFileLoader.get_code = changed  # type: ignore[assignment, method-assign]
    return _pytest(files, selection)


def _pytest(files: Iterable[str], plugin: object) -> int:
    return int(pytest.main([*QUIET, *files], plugins=[plugin, _Worker()]))


class _Worker:
    """Looks like a worker of pytest-xdist, so that tests/conftest.py does not load the native core: most trials need none."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.workerinput = {}  # type: ignore[attr-defined]


class _Selection:
    """Lets some tests run, None for all, but not those that are done; the quickest first."""

    def __init__(self, names: set[str] | None, done: set[str], seconds: dict[str, float]) -> None:
        self.names, self.done, self.seconds = names, done, seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [i for i in items if i.nodeid not in self.done and (self.names is None or i.nodeid in self.names)]
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))


class _Observer:
    def __init__(self, recorder: coverage.Coverage) -> None:
        self.recorder, self.found = recorder, Baseline()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        begun = time.monotonic()
        self.recorder.switch_context(item.nodeid)
        yield
        self.recorder.switch_context("")
        self.found.seconds[item.nodeid] = time.monotonic() - begun


_BASELINE = Path("baseline.txt")  # in the copy; repr of plain dicts


def _write(found: Baseline) -> None:
    _BASELINE.write_text(repr((found.seconds, found.lines)))


def _read() -> Baseline:
    import ast

    return Baseline(*ast.literal_eval(_BASELINE.read_text()))
