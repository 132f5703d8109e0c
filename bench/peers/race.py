"""The race: every peer that is here runs every kernel in turn, round by round, and must come to the same result."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from ...contract import Diverged
from ..costs import surroundings
from ..suite import Kernel
from ..timing import Samples, on_one_core
from .rows import Peer

_TIMEOUT_S = 600


class Failed(Exception):
    """A peer does not run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Race:
    """Samples by peer and kernel; and who did not take part, with the reason."""

    samples: Mapping[Peer, Mapping[Kernel, Samples]]
    absent: Mapping[Peer, str]


def race(peers: Sequence[Peer], kernels: Sequence[Kernel], *, size: str, rounds: int) -> Race:
    """Time all of them. Raises Diverged("results_differ") where one comes to something else than the kernel's result."""
    with tempfile.TemporaryDirectory(prefix="pbs-peers-") as made, as_file(files(__package__) / "sources") as sources:
        commands, absent = _commands(peers, sources, Path(made))
        seconds: dict[Peer, dict[Kernel, list[float]]] = {peer: {k: [] for k in kernels} for peer in commands}
        with on_one_core():
            for kernel in kernels:
                for number in range(rounds):
                    for peer, command in commands.items():
                        if number < peer.rounds_at_most:
                            seconds[peer][kernel].append(timed(peer, command, kernel, size))
    samples = {peer: {k: Samples(tuple(taken)) for k, taken in row.items()} for peer, row in seconds.items()}
    return Race(samples, absent)


def _commands(peers: Sequence[Peer], sources: Path, made: Path) -> tuple[dict[Peer, list[str]], dict[Peer, str]]:
    """How each is called, once that was tried; and why the others are not."""
    commands, absent = {}, {}
    for peer in peers:
        if not peer.is_here:
            absent[peer] = "not installed"
            continue
        try:
            command = _command(peer, sources, made)
            _call([*command, "fib", "1"])
        except Failed as failed:
            absent[peer] = str(failed)
        else:
            commands[peer] = command
    return commands, absent


def _command(peer: Peer, sources: Path, made: Path) -> list[str]:
    """Kernel and argument follow. Compiles where need be."""
    if peer.ours:
        return [sys.executable, "-m", f"{__package__}.ours", *peer.options]
    source = str(sources / peer.source)
    program = sys.executable if peer.program is None else peer.program
    if not peer.is_compiled:
        return [program, *peer.flags, source, *peer.options]
    binary = str(made / peer.name.replace(" ", ""))
    _call([program, *peer.flags, "-o", binary, source])
    return [binary]


def timed(peer: Peer, command: Sequence[str], kernel: Kernel, size: str) -> float:
    """Seconds of processor time that one call took, by the peer's own account. Raises Diverged where the result is another one."""
    given = kernel.sizes[size]
    words = _call([*command, kernel.name, str(given.argument)]).split()
    if words[:3] != [kernel.name, str(given.argument), str(given.result)]:
        found = " ".join(words[:3])[:80]
        subject = f"{peer.name}, {kernel.name}"
        raise Diverged("results_differ", subject=subject, required=str(given.result), available=found or "nothing")
    return float(words[3])


def _call(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - programs that the user installed, on sources of ours
            command, env=surroundings(), capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(type(error).__name__) from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        raise Failed(f"it ends with exit status {done.returncode}: {last[0][:120]}")
    return done.stdout
