"""`pbs run`: play a cartridge, or run it without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..contract import Diverged
from ..vm.inputs import Input
from ..vm.machine import Machine
from ..vm.results import FrameResult
from .interrupts import Interrupts
from .options import playing_options
from .output import keep_apart, members_of, print_json, say, tell_warnings
from .playing import (
    Session,
    check_frames,
    exit_code,
    image_for,
    read_script,
    save_screenshot,
    say_session,
    session_object,
)

if TYPE_CHECKING:
    from ..replay import Trace


@click.command()
@click.argument("cartridge")
@click.option("--frames", type=int, help="Stop after that many frames.")
@click.option(
    "--trace", metavar="FILE", help="Take seed and input from a recording, and check every frame that it has."
)
@playing_options
def command(
    cartridge: str,
    frames: int | None,
    trace: str | None,
    as_json: bool,
    engine: str,
    view: str | None,
    script: str | None,
    seed: int,
    max_ticks: int,
    screenshot: str | None,
) -> int:
    """Play CARTRIDGE (a directory, a .cart file, or a bare .pbx program), or run it without a screen.

    With --frames, --trace, --input or --json nothing is shown unless --view asks for it.
    """
    check_frames(frames)
    if trace is not None and script is not None:
        raise click.UsageError("--trace and --input both give the input; choose one")
    image = image_for(engine, Path(cartridge))
    tell_warnings(image.warnings)
    recording = None if trace is None else _recording(trace)
    inputs = read_script(script)
    if recording is not None:
        machine = recording.machine(image, engine)
        inputs = list(recording.inputs())
    else:
        machine = Machine(image, engine=engine, seed=seed)
    unseen = as_json or frames is not None or inputs is not None
    session = Session(
        machine=machine,
        view_choice=view or ("none" if unseen else "auto"),
        max_ticks=max_ticks,
        inputs=inputs,
        frames=frames,
        quiet=as_json,
    )
    if screenshot is not None:
        keep_apart(screenshot, *members_of(Path(cartridge), image), trace, script)
    checked = 0

    def check(_given: Input, result: FrameResult) -> None:
        nonlocal checked
        assert recording is not None
        if session.done < len(recording):
            expected = recording.digests[session.done]
            if result.digest != expected:
                raise Diverged(
                    "replay_diverged",
                    subject=f"frame {result.frame}",
                    required=expected.hex(),
                    available=result.digest.hex(),
                )
            checked += 1

    if recording is not None:
        session.keep = check
    with Interrupts() as session.interrupts:
        session.run()
    save_screenshot(screenshot, machine)
    if as_json:
        shown = session_object("run", session, image)
        print_json("run", {**shown, "checked_frames": checked if recording is not None else None})
    else:
        say_session(session, image)
        if recording is not None:
            say(f"{checked} of {len(recording)} recorded frames checked, all equal")
    return exit_code(session)


def _recording(trace: str) -> Trace:
    from ..replay import Trace

    return Trace.read(Path(trace))
