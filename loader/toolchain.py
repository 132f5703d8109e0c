"""From assembly text to a program file that this host would load."""

from __future__ import annotations

from ..host import Registry, standard
from ..isa import container
from ..isa.assembler import assemble as assemble_program


def assemble(text: str, *, source: str = "", registry: Registry | None = None) -> bytes:
    """The bytes of a `.pbx` file. `source` names the text in the debug section.

    Raises Rejected("assembly_failed") with every mistake, line and column. Whether paths agree is left to `load`.
    """
    host = registry or standard()
    return container.encode(assemble_program(text, source, host.names))
