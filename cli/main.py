"""The way in: finds the verb, runs it, and turns whatever happens into an exit code.

Verbs are imported when they are used, so that `pbs --help`, `verify`, `asm` and `inspect` load no compiler. Exit codes:
0 ok, 1 trap, 2 usage, 3 rejected, 4 limit, 5 storage, 6 diverged, 7 denied, 8 slower, 70 internal; 130 after
Ctrl-C, as shells expect.
"""

from __future__ import annotations

import difflib
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..contract import Interrupted, PbsError, StorageError, UsageError
from ..contract.diagnostics import as_json, text
from ..contract.notices import listening
from .output import complain, print_json

VERBS = {
    "run": "play a cartridge, or run it without a screen",
    "record": "play a cartridge and keep what was played",
    "replay": "play a recording again and check every frame",
    "verify": "check that a program or cartridge may run",
    "inspect": "show what a cartridge, program, trace or snapshot holds",
    "asm": "assembly text to program",
    "disasm": "program to assembly text",
    "pack": "a cartridge directory to one file",
    "bench": "measure engines, peers and releases",
    "explain": "what a code, trap or instruction means",
    "version": "release and contract versions",
    "doctor": "look at this installation",
    "warmup": "make now what a first run would have to make",
    "cache": "what is kept between runs: info, clear",
}
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)  # files of ours report theirs as StorageError


class Verbs(click.Group):
    """The verbs, loaded when used; a bare path means `run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and _looks_like_path(args[0]):
            args = ["run", *args]
        if args and args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no verb {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


def _looks_like_path(argument: str) -> bool:
    # Unlike Path.exists, that of os has an answer for every name.
    return os.sep in argument or Path(argument).suffix in (".cart", ".pbx") or os.path.exists(argument)


@click.group(cls=Verbs, invoke_without_command=False, context_settings={"help_option_names": ["-h", "--help"]})
def pbs() -> None:
    """PBS, a deterministic game machine. A bare path means run, as in `pbs cartridges/pong`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command; the exit code. Nothing that goes wrong shows a traceback, unless PBS_DEBUG is set."""
    _prepare_streams()
    try:
        with listening(lambda notice: complain(f"pbs: {notice}")):
            status: Any = pbs.main(args=arguments, prog_name="pbs", standalone_mode=False)
        sys.stdout.flush()
    except PbsError as error:
        return _report(error, arguments)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _report_usage(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _report(Interrupted("interrupted"), arguments)
    except SystemExit:  # click's answer to a reader that went away
        return _closed_output()
    except OSError as error:
        if error.filename is None and error.errno in _OUTPUT_ERRORS:
            return _closed_output(error)
        return _internal(error, arguments)
    except Exception as error:  # the last resort: whatever it is, the user gets a code and not a traceback
        return _internal(error, arguments)
    return status if isinstance(status, int) else 0


def _prepare_streams() -> None:
    """What standard output cannot show is escaped. Streams that were closed before we started stay closed."""
    if sys.stdout is None:  # whatever is written fails, as it would there; and no file of ours takes its number
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 - open as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as above
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _report(error: PbsError, arguments: list[str], *, said: str | None = None) -> int:
    complain(f"pbs: {text(error)}" if said is None else said)
    try:
        if "--json" in arguments:
            print_json("error", as_json(error))
    except OSError as problem:
        return _closed_output(problem)
    return error.exit_code


def _report_usage(error: click.ClickException, arguments: list[str]) -> int:
    reason = error.format_message()
    context = getattr(error, "ctx", None)
    usage = [] if context is None else [context.get_usage()]
    said = reason if reason.startswith("Usage:") else "\n".join([*usage, f"pbs: usage: {reason}"])
    return _report(UsageError("usage", details={"reason": reason[:200]}), arguments, said=said)


def _closed_output(problem: OSError | None = None) -> int:
    """Not all was written, and the exit code says so. A reader that went away, as `head` does, wants to hear nothing else."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - replaces what the interpreter flushes at exit
    reason = problem.strerror if problem is not None else None
    error = StorageError("stdout_closed", details={"reason": reason} if reason else None)
    if problem is not None and problem.errno != errno.EPIPE:
        complain(f"pbs: {text(error)}")
    return error.exit_code


def _internal(error: Exception, arguments: list[str]) -> int:
    if os.environ.get("PBS_DEBUG"):
        traceback.print_exc()
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{type(error).__name__}: {str(error)[:300]}"
    place = f"{Path(where.filename).name}:{where.lineno}"
    return _report(PbsError("internal_error", subject=said, details={"at": place}), arguments)
