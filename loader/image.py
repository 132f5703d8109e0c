"""The Image: a program that may run. Made by `load` alone; engines accept nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an image that was kept is there before any of these
    from ..contract import Diagnostic
    from ..contract.limits import Limits
    from ..host import Registry, Service
    from ..host.bitmap import Bitmap
    from ..isa.program import Program
    from ..verifier import Facts
    from .manifest import Manifest


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """Verified, resolved, ready. Frozen and shared: any number of machines may run one image.

    digest: the SHA-256 of the cartridge's canonical content, 32 bytes. warnings: deprecations and the like; they never
    change what runs.
    """

    digest: bytes
    source: bytes  # what `load` makes this image of again: a flat cartridge, or a bare program
    program: Program  # patched: every host call is a SYSCALL
    facts: Facts
    services: Mapping[int, Service]  # those the program calls, by number
    intrinsics: Mapping[int, Service]
    limits: Limits
    registry: Registry  # the host it was resolved against
    # Defaults that do not stand in the class: a subclass may lack the values until they are asked for.
    assets: tuple[Bitmap, ...] = field(default_factory=tuple)
    manifest: Manifest | None = field(default_factory=lambda: None)  # None for a bare program
    warnings: tuple[Diagnostic, ...] = field(default_factory=tuple)

    @property
    def title(self) -> str:
        """What to call it."""
        return (
            self.manifest.title
            if self.manifest
            else (self.program.debug.source if self.program.debug else "") or "program"
        )

    @property
    def id(self) -> str | None:
        """The cartridge's id; None for a bare program."""
        return self.manifest.id if self.manifest else None

    @property
    def version(self) -> str | None:
        """The cartridge's version; None for a bare program."""
        return str(self.manifest.version) if self.manifest else None

    def export(self, name: str) -> int | None:
        """The function that the host may call by this name; None where there is none, or it is main."""
        return next((e.function for e in self.program.exports if e.name == name and e.function), None)
