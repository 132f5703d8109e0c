"""A worker process for each release, and what is asked of it."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...contract import InternalError, UsageError
from ..costs import surroundings
from .releases import Release


class Worker:
    """A release at work. A context: the process ends with it."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._script = as_file(files(__package__) / "worker.py")
        self.version = ""

    def __enter__(self) -> Self:
        script = self._script.__enter__()
        ours = self.release.kind == "installed"  # another release must not find our package
        environment = {name: value for name, value in surroundings().items() if ours or name != "PYTHONPATH"}
        self._process = subprocess.Popen(  # noqa: S603 - the release's Python, and our script
            [str(self.release.python), "-P", str(script)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            hello = self.ask({"do": "hello"})
            self._require_home(Path(hello["file"]))
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self.version = hello["version"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        if error is not None:
            process.kill()
        process.wait()
        process.stdout.close()
        self._script.__exit__(kind, error, trace)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises UsageError("release_unusable") where the release cannot do it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._unusable("its process has ended") from None
        line = process.stdout.readline()
        if not line:
            raise self._unusable("its process has ended")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise self._unusable(answer["failed"].splitlines()[0])
        return answer

    def _require_home(self, file: Path) -> None:
        home = self.release.home
        if home is not None and not file.is_relative_to(home.resolve()):
            raise InternalError(f"{self.release.spec} was to be imported from {home}, and came from {file}")

    def _unusable(self, reason: str) -> UsageError:
        return UsageError("release_unusable", subject=self.release.spec, details={"reason": reason[:200]})
