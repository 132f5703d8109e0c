"""`pbs record`: play a cartridge and keep what was played."""

from __future__ import annotations

from pathlib import Path

import click

from ..loader import load
from ..replay import Recorder
from ..vm import Machine
from .interrupts import Interrupts
from .options import playing_options
from .output import keep_apart, members_of, print_json, say, tell_warnings
from .playing import Session, check_frames, exit_code, read_script, save_screenshot, say_session, session_object


@click.command()
@click.argument("cartridge")
@click.option("-o", "--output", required=True, metavar="FILE", help="The trace to write, usually NAME.pbt.")
@click.option("--frames", type=int, help="Stop after that many frames.")
@click.option("-f", "--force", is_flag=True, help="Replace FILE if it exists.")
@playing_options
def command(
    cartridge: str,
    output: str,
    frames: int | None,
    force: bool,
    as_json: bool,
    engine: str,
    view: str | None,
    script: str | None,
    seed: int,
    max_ticks: int,
    screenshot: str | None,
) -> int:
    """Play CARTRIDGE and record it: from live input, or from --input. Ctrl-C ends the recording and keeps it.

    Esc in the view ends it with exit code 0, Ctrl-C and SIGTERM with 130.
    """
    check_frames(frames)
    image = load(Path(cartridge))
    tell_warnings(image.warnings)
    inputs = read_script(script)
    machine = Machine(image, engine=engine, seed=seed)
    choice = view or ("none" if inputs is not None or as_json else "auto")
    read = members_of(Path(cartridge), image)
    keep_apart(output, *read, script)
    keep_apart(screenshot, *read, script, output)
    with Interrupts() as interrupts, Recorder(Path(output), machine, replace=force) as recorder:
        session = Session(
            machine=machine,
            view_choice=choice,
            max_ticks=max_ticks,
            inputs=inputs,
            frames=frames,
            keep=recorder.add,
            quiet=as_json,
            interrupts=interrupts,
        )
        session.run()
    save_screenshot(screenshot, machine)
    kept = output if session.done else None
    if as_json:
        shown = session_object("record", session, image)
        print_json("record", {**shown, "trace": kept, "interrupted": session.interrupted})
    else:
        say_session(session, image)
        say(f"recorded {kept}" if kept else "nothing was played, nothing is recorded")
    return exit_code(session)
