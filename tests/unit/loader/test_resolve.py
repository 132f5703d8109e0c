"""What the verifier is told of the host."""

from dataclasses import replace

import pytest

from pbs.host import standard
from pbs.isa.code import decode_code
from pbs.isa.container import decode
from pbs.isa.types import BYTE, ArrayType
from pbs.loader import assemble
from pbs.loader.resolve import host_calls, patch, resolve

PROGRAM = decode(assemble(".func main()\n    HALT\n.end\n"))
WITH_BYTES = replace(PROGRAM, types=(*PROGRAM.types, ArrayType(BYTE)))
SERVICES = {service.number: service for service in standard().services.values()}


def test_there_are_calls_of_both_kinds():
    assert {service.extra_cycles is None for service in SERVICES.values()} == {True, False}


@pytest.mark.parametrize("number", SERVICES)
def test_a_call_costs_what_its_row_says_and_is_metered_where_that_depends_on_its_arguments(number):
    service, call = SERVICES[number], host_calls(SERVICES, WITH_BYTES)[number]
    assert call.cycles == service.cycles
    assert call.metered is (service.extra_cycles is not None)
    assert call.signature == service.signature.within(WITH_BYTES.types)


def test_calls_whose_types_the_program_lacks_are_left_out():
    left = SERVICES.keys() - host_calls(SERVICES, PROGRAM).keys()
    assert {SERVICES[number].identity for number in left} >= {"log.write/1"}
    assert all("bytes" in SERVICES[number].effect for number in left)


CALLS_LAST = """
.import log.number/1
.func main()
    HALT
.end
.func call()
    PUSH 1
    PUSH 2
    HOSTCALL log.number/1
    POP
    RET
.end
"""


def test_an_import_is_used_also_behind_functions_that_call_nothing():
    program = decode(assemble(CALLS_LAST))
    found = resolve(program, None, standard())
    assert not found.findings
    first, last = patch(program, found.services).functions
    assert first == program.functions[0]
    names = [decoded.row.name for decoded in decode_code(last.code)]
    assert (names.count("SYSCALL"), names.count("HOSTCALL")) == (1, 0)
