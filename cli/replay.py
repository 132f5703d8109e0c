"""`pbs replay`: play a recording again and check every frame."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from ..loader import Image, load
from ..replay import Trace
from ..replay.player import replay
from .interrupts import Interrupts
from .options import ENGINE, JSON, MAX_TICKS, SCREENSHOT, VIEW
from .output import cartridge_object, keep_apart, members_of, print_json, say
from .playing import save_screenshot


@click.command()
@click.argument("trace")
@click.option(
    "--cartridge", metavar="CART", help="The cartridge to replay with, instead of the one that the trace carries."
)
@click.option("--partial", is_flag=True, help="Replay what there is of a trace that was cut short.")
@VIEW
@SCREENSHOT
@ENGINE
@MAX_TICKS
@JSON
def command(
    trace: str,
    cartridge: str | None,
    partial: bool,
    view: str | None,
    screenshot: str | None,
    engine: str,
    max_ticks: int,
    as_json: bool,
) -> int:
    """Replay TRACE: every frame's digest is held against the recorded one.

    Ends with exit code 6 and the frame at the first difference.
    """
    recording = Trace.read(Path(trace), partial=partial)
    image = recording.image() if cartridge is None else load(Path(cartridge), limits=recording.header.limits)
    keep_apart(screenshot, trace, *([] if cartridge is None else members_of(Path(cartridge), image)))
    machines: list[Any] = []
    with _shown(view, image) as show:

        def watch(machine: Any, _result: Any) -> None:
            machines[:] = [machine]
            show(machine)

        watched = view not in (None, "none") or screenshot is not None
        report = replay(recording, image, engine=engine, max_ticks=max_ticks, watch=watch if watched else None)
    if screenshot is not None:
        save_screenshot(screenshot, machines[0])
    if as_json:
        print_json(
            "replay",
            {
                "verb": "replay",
                "cartridge": cartridge_object(image),
                "engine": report.engine,
                "frames": report.frames,
                "cycles": report.cycles,
                "status": report.status.value,
                "digest": report.digest.hex(),
                "complete": report.complete,
                "equal": True,
            },
        )
    else:
        note = "" if report.complete else "; the trace has no end, these are the frames that were kept"
        say(f"{image.title}: {report.frames} frames replayed on the {report.engine} engine, every digest equal{note}")
        say(f"digest {report.digest.hex()}")
    return 0


@contextlib.contextmanager
def _shown(view: str | None, image: Image) -> Any:
    """Something that shows a machine's screen, at the pace of the machine's clock, if a view is wanted."""
    if view in (None, "none"):
        yield lambda _machine: None
        return
    from ..console.play import Pace
    from ..console.views import open_view

    opened = open_view(view or "none", image.title)
    if opened is None:
        yield lambda _machine: None
        return
    pace = Pace()

    with Interrupts() as interrupts:

        def show(machine: Any) -> None:
            if opened.sample() is None or interrupts.noted:
                raise KeyboardInterrupt
            opened.show(machine.screen())
            pace.wait()

        try:
            yield show
        finally:
            opened.close()
