"""What `run` and `record` share: a machine is played in a view, or run without one, until it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..console.views import open_view
from ..contract import LimitReached, Rejected, UsageError
from ..contract.diagnostics import Family
from ..contract.files import read_bytes
from ..loader import Image
from ..vm.inputs import NO_INPUT, Input
from ..vm.machine import Machine
from ..vm.results import FrameResult, LogEntry, Status
from .interrupts import Interrupts
from .output import cartridge_object, complain, say, warning_objects

DEFAULT_FRAMES = 600  # without a view and without a script: ten seconds
STRETCH = 64  # frames between two looks at signals
MAX_SCRIPT_BYTES = 16 * 1024 * 1024
LEVELS = ("trace", "debug", "info", "warning", "error")

Keep = Callable[[Input, FrameResult], None]


@dataclass(slots=True)
class Session:
    """One machine being played, and what it has come to."""

    machine: Machine
    view_choice: str
    max_ticks: int
    inputs: Sequence[Input] | None = None
    frames: int | None = None
    keep: Keep = lambda _given, _result: None
    quiet: bool = False
    done: int = 0
    last: FrameResult | None = None
    log: list[tuple[int, LogEntry]] = field(default_factory=list)
    interrupts: Interrupts = field(default_factory=Interrupts)
    interrupted: bool = False
    on_screen: bool = False  # the game stands on the terminal that we would talk to

    def run(self) -> None:
        """Play to the end; what the interrupts noted ends it too."""
        self.interrupts.playing = True
        view = (
            None
            if self.inputs is not None and self.view_choice == "auto"
            else open_view(self.view_choice, self.machine.image.title)
        )
        try:
            if view is None:
                self._run_unseen()
            else:
                shown = len(self.log)
                self.on_screen = view.name == "term"
                try:
                    self._play(view)
                finally:
                    view.close()
                    if self.on_screen:  # what was logged meanwhile had no place there
                        self.on_screen = False
                        for frame, entry in self.log[shown:]:
                            self._tell(frame, entry)
        except KeyboardInterrupt:
            self.interrupts.noted = True
        finally:
            self.interrupts.playing = False
        self.interrupted = self.interrupts.noted

    def _play(self, view: Any) -> None:
        from ..console.play import play

        inputs = self.inputs
        given = (
            (lambda _: None) if inputs is None else (lambda frame: inputs[frame] if frame < len(inputs) else NO_INPUT)
        )
        frames = self.frames if self.frames is not None or inputs is None else len(inputs)
        play(
            self.machine,
            view,
            frames=frames,
            max_ticks=self.max_ticks,
            keep=self._kept,
            given=given,
            stopped=lambda: self.interrupts.noted,
        )

    def _run_unseen(self) -> None:
        inputs = self.inputs
        frames = self.frames if self.frames is not None else len(inputs) if inputs is not None else DEFAULT_FRAMES
        while self.done < frames and not self.machine.ended and not self.interrupts.noted:
            count = min(STRETCH, frames - self.done)
            given = [
                inputs[i] if inputs is not None and i < len(inputs) else NO_INPUT
                for i in range(self.done, self.done + count)
            ]
            for chosen, result in zip(given, self.machine.advance(given, self.max_ticks), strict=False):
                self._kept(chosen, result)
            if self.machine.in_frame:
                subject, required = f"frame {self.machine.frame}", f"at most {self.max_ticks} ticks"
                raise LimitReached("frame_unfinished", subject=subject, required=required)

    def _kept(self, given: Input, result: FrameResult) -> None:
        self.keep(given, result)
        self.done += 1
        self.last = result
        for entry in result.log:
            self.log.append((result.frame, entry))
            self._tell(result.frame, entry)

    def _tell(self, frame: int, entry: LogEntry) -> None:
        if not self.quiet and not self.on_screen:
            level = LEVELS[entry.level] if entry.level < len(LEVELS) else str(entry.level)
            complain(f"[{frame}] {level}: {_printable(entry.text)}")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def image_for(engine: str, path: Path) -> Image:
    """The image to be played. For native engines what was loaded before is kept; the reference takes nothing on trust."""
    if engine in ("auto", "interpreter"):
        from ..vm.kept import load_kept

        return load_kept(path, wait=engine != "auto")
    from ..loader import load

    return load(path)


def read_script(path: str | None) -> list[Input] | None:
    """The inputs of a script file, or None without one."""
    if path is None:
        return None
    from ..replay import parse_script

    data = read_bytes(Path(path), MAX_SCRIPT_BYTES)
    try:
        return parse_script(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Rejected("input_script_invalid", subject=path, details={"reason": "not UTF-8"}) from None


def check_frames(frames: int | None) -> None:
    """At least one frame, where a number is given."""
    if frames is not None and frames < 1:
        raise UsageError("usage", subject="--frames", required="at least 1", available=str(frames))


def save_screenshot(path: str | None, machine: Machine) -> None:
    """The screen as it is now, where a file is wanted."""
    if path is not None:
        from ..console.picture import save_png

        save_png(Path(path), machine.screen(), scale=2)


def session_object(verb: str, session: Session, image: Image) -> dict[str, Any]:
    """The JSON object of a run or recording."""
    last, trap = session.last, session.last.trap if session.last else None
    return {
        "verb": verb,
        "cartridge": cartridge_object(image),
        "engine": session.machine.engine.name,
        "seed": session.machine.seed,
        "frames": session.done,
        "cycles": session.machine.cycles,
        "status": last.status.value if last else Status.UNFINISHED.value,
        "digest": last.digest.hex() if last else None,
        "trap": None
        if trap is None
        else {
            "code": int(trap.code),
            "name": trap.code.name,
            "opcode": trap.opcode,
            "instruction": trap.instruction,
            "function": trap.function,
            "function_name": image.program.function_name(trap.function),
            "pc": trap.pc,
            "line": image.program.line_at(trap.function, trap.pc),
            "frame": trap.frame,
            "cycles": trap.cycles,
        },
        "log": [{"frame": frame, "level": entry.level, "text": entry.text} for frame, entry in session.log],
        "warnings": warning_objects(image.warnings),
    }


def say_session(session: Session, image: Image) -> None:
    """The same for people."""
    last = session.last
    say(f"{image.title}: {session.done} frames, {session.machine.cycles} cycles, {session.machine.engine.name}")
    if last is not None:
        say(f"digest {last.digest.hex()}")
        if last.trap is not None:
            trap = last.trap
            name = image.program.function_name(trap.function) or trap.function
            line = image.program.line_at(trap.function, trap.pc)
            place = f"function {name}, pc {trap.pc}" + (f", line {line}" if line is not None else "")
            say(f"trapped: {trap.code.name} at {trap.instruction} in {place}, frame {trap.frame}, cycle {trap.cycles}")
        elif last.status is Status.HALTED:
            say("halted")


def exit_code(session: Session) -> int:
    """0, 130 where it was interrupted, or 1 where the guest trapped."""
    if session.interrupted:
        return Family.INTERRUPTED.exit_code
    return 1 if session.last is not None and session.last.status is Status.TRAPPED else 0
