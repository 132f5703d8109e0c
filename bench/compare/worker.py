"""One release at work: a script that runs in the release's environment, for any release, and imports nothing of this one.

It reads requests, one JSON object a line, and answers each with one. It uses what every release has: load, Machine, Input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


@cache
def pbs() -> Any:
    """The release, which need not be the one that this file belongs to."""
    return import_module("pbs")


def hello(_: dict[str, Any]) -> dict[str, Any]:
    """Who is speaking."""
    return {"version": pbs().__version__, "file": os.path.realpath(pbs().__file__)}


@cache
def image(file: str) -> Any:
    """The file's image, loaded once, bare programs under the largest limits."""
    return pbs().load(file, limits=import_module("pbs.contract.limits").PROFILES["ADVANCED"])


def kernel(request: dict[str, Any]) -> dict[str, Any]:
    """Call an export: seconds of processor time, result, cycles."""
    machine = pbs().Machine(image(request["file"]), engine=request["engine"])
    start = time.process_time()
    (result,) = machine.call(request["name"], [request["argument"]])
    seconds = time.process_time() - start
    return {"seconds": seconds, "observed": [f"result {result}, cycles {machine.cycles}"]}


def cartridge(request: dict[str, Any]) -> dict[str, Any]:
    """Run frames: seconds of processor time, digest and cycles of every frame (without `every_frame` of the last)."""
    inputs = [pbs().Input(frozenset(buttons), touch and tuple(touch)) for buttons, touch in request["inputs"]]
    given = (inputs * (request["frames"] // len(inputs) + 1))[: request["frames"]]
    machine = pbs().Machine(image(request["file"]), engine=request["engine"])
    start = time.process_time()
    results = machine.run(len(given), given)
    seconds = time.process_time() - start
    shown = results if request["every_frame"] else results[-1:]
    observed = [f"frame {r.frame}, cycles {r.cycles}, digest {r.digest.hex()}" for r in shown]
    return {"seconds": seconds, "observed": [*observed, f"cycles {machine.cycles}"]}


DO: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"hello": hello, "kernel": kernel, "cartridge": cartridge}


def main() -> None:
    """Answer requests until there are no more. A failure is an answer too."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what anyone prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = DO[request["do"]](request)
        except Exception as error:  # told to who asked, who ends the comparison with it
            answer = {"failed": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
