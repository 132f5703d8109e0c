"""Lowering and encoding: every kind of record is reached by a program of the tests; programs at the limits of the format run."""

from random import Random

from pbs.contract.limits import LARGEST
from pbs.host import standard
from pbs.loader import Image, assemble, load
from pbs.vm import Machine, kinds
from pbs.vm.code import RECORD
from pbs.vm.encode import END_RECORDS, encode
from pbs.vm.handlers import handler_key
from pbs.vm.kinds import KINDS, VARIANTS, leaves
from pbs.vm.layout import STACK_SLACK
from pbs.vm.lower import lower
from pbs.vm.native_build import handler_numbers, rows
from pbs.vm.shapes import CONSTANT, fields
from tests.conformance import vectors
from tests.conformance.test_edges import IMPOSSIBLE, KINDS_OVER_VALUES, TURNED_ROUND, functions_for
from tests.support.compare import image_of
from tests.support.programs import random_program
from tests.unit.vm.world import ENGINES, world

# The end of every coroutine is laid by the encoder. The others take null for an object: the verifier knows no type of its own
# for null, so an access needs a local; and what is captured is read off the closure in slot 0.
NEVER_LOWERED = IMPOSSIBLE | TURNED_ROUND | {
    ("END",),
    ("COUNT",),
    *((f"{name}.{form}", "k", "s") for name in ("GET_FIELD", "GET_CAPTURE") for form in ("word", "float")),
    *((f"SET_FIELD.{form}", "k", "r", "s") for form in ("word", "float")),
}  # fmt: skip


def kinds_of(image: Image) -> set[kinds.Kind]:
    blocks = [block for index in range(len(image.facts.functions)) for block in lower(image, index)]
    return {record.kind for block in blocks for record in block.records}


def test_every_kind_of_record_is_reached_by_a_program_of_the_tests():
    images = [functions_for(KINDS_OVER_VALUES).image()]
    images += [image_of(random_program(Random(seed), size=40)) for seed in range(30)]
    images += {
        vector.text: vectors.image_of(vector) for vector in vectors.all_vectors() if vector.file != "arithmetic"
    }.values()
    images.append(world())
    seen = set().union(*map(kinds_of, images)) - {("SYSCALL",), ("INTRINSIC",)}
    assert KINDS - seen == NEVER_LOWERED
    assert seen <= KINDS


# ---- the set of kinds


def test_a_record_has_room_for_the_places_of_every_variant():
    for kind, _ in VARIANTS:
        where = [(offset, 8 if place == "k" else 2) for place, offset in fields(kind) if offset is not None]
        taken = [at for offset, size in where for at in range(offset, offset + size)]
        assert len(set(taken)) == len(taken), kind
        assert all(10 <= at < 24 for at in taken), kind
        assert sum(place == "k" for place in leaves(kind)) <= 1, kind
    assert CONSTANT == 16


def test_every_variant_and_every_host_call_has_a_handler_of_its_own():
    numbers = handler_numbers(standard())
    assert [numbers[variant] for variant in VARIANTS] == list(range(len(VARIANTS)))
    hosts = {
        number for key, number in numbers.items() if key[0] in ("SYSCALL", "INTRINSIC") and isinstance(key[1], int)
    }
    assert hosts == set(range(len(VARIANTS), len(VARIANTS) + len(rows(standard()))))
    assert len({handler_key(service) for service in rows(standard())}) == len(rows(standard()))


def test_the_order_of_the_variants_is_the_same_in_every_process():
    """Numbers are kept in the cache of object files."""
    assert list(VARIANTS) == list(kinds._all_variants())
    assert list(dict.fromkeys(str(kind) for kind, _ in VARIANTS if "a" not in leaves(kind))) == sorted(map(str, KINDS))


# ---- the limits of the format


def roomy(text: str) -> Image:
    return load(assemble(text), limits=LARGEST)


def called(text: str, export: str, words=()):
    """What a call gives on every engine, with its cycles; all the same."""
    image, seen = roomy(text), []
    for engine in ENGINES:
        machine = Machine(image, engine=engine)
        seen.append((machine.call(export, words), machine.cycles))
    assert seen[0] == seen[1]
    return seen[0][0]


ADD = "ADD\n"
FILLER = "PUSH 1\nPOP\n" * 5_000
MAIN = ".func main() -> ()\nHALT\n.end\n"
MOST_SLOTS = 1024
MOST_OPERANDS = 1024


def test_a_function_of_the_most_slots():
    names = "\n".join(f".local v{i}: int" for i in range(MOST_SLOTS - 1))
    body = f"GET_LOCAL n\nSET_LOCAL v{MOST_SLOTS - 2}\nGET_LOCAL v{MOST_SLOTS - 2}\nPUSH 2\nMUL\nGET_LOCAL v0\nADD\nRET"
    assert called(f"{MAIN}.func f(n: int) -> int\n{names}\n{body}\n.end\n.export f\n", "f", [21]) == (42,)


def test_a_function_of_the_most_operands():
    """Every operand waits as a tree until the last is pushed; then all are added up."""
    pushes = "GET_LOCAL n\n" * MOST_OPERANDS
    text = f"{MAIN}.func f(n: int) -> int\n{pushes}{ADD * (MOST_OPERANDS - 1)}RET\n.end\n.export f\n"
    assert called(text, "f", [3]) == (3 * MOST_OPERANDS,)


def test_operands_that_wait_while_their_local_changes():
    pushes = "GET_LOCAL n\nGET_LOCAL n\nPUSH 1\nADD\nSET_LOCAL n\n" * 500
    text = f"{MAIN}.func f(n: int) -> int\n{pushes}{ADD * 499}RET\n.end\n.export f\n"
    assert called(text, "f", [10]) == (sum(range(10, 510)),)


def test_more_trees_that_read_each_others_homes_than_there_are_spare_slots():
    """The sum at each depth waits and reads the home above it, so what belongs there is made elsewhere."""
    count = STACK_SLACK + 1
    sums = "".join(f"GET_LOCAL n\nNEG\nNEG\nGET_LOCAL n\nPUSH {i}\nMUL\nNEG\nADD\n" for i in range(count))
    text = f"{MAIN}.func f(n: int) -> ({', '.join(['int'] * count)})\n{sums}RET\n.end\n.export f\n"
    assert called(text, "f", [1]) == tuple((1 - i) % 2**64 for i in range(count))


def test_more_exchanged_trees_than_there_are_spare_slots_when_their_local_changes():
    """In each pair one reads the other's home, and all of them the local: leaving it takes a spare slot for each pair."""
    count = STACK_SLACK + 1
    pairs = "GET_GLOBAL g\nGET_LOCAL n\nADD\nGET_GLOBAL g\nGET_LOCAL n\nBIT_OR\nSWAP\n" * count
    body = f"{pairs}PUSH 7\nSET_LOCAL n\n{ADD * (2 * count - 1)}RET"
    text = f"{MAIN}.global g: int\n.func f(n: int) -> int\n{body}\n.end\n.export f\n"
    assert called(text, "f", [5]) == (2 * count * 5,)


def test_the_most_parameters_results_and_captures():
    names = [f"c{i}: int" for i in range(255)]
    pushes = "\n".join(f"PUSH {i}" for i in range(255))
    total = "\n".join([*(f"GET_CAPTURE c{i}" for i in range(255)), *["ADD"] * 254])
    turned = "\n".join(f"GET_LOCAL c{254 - i}" for i in range(255))
    text = f"""{MAIN}.type sum = function () -> (int)
.func f() -> int
{pushes}
MAKE_CLOSURE adds 255
CALL_CLOSURE 0
{pushes}
CALL turns
{ADD * 255}RET
.end
.closure adds() -> int captures ({", ".join(names)})
{total}
RET
.end
.func turns({", ".join(names)}) -> ({", ".join(["int"] * 255)})
{turned}
RET
.end
.export f
"""
    assert called(text, "f") == (2 * sum(range(255)),)


def test_the_last_of_the_most_globals():
    names = "\n".join(f".global g{i}: {'float' if i % 2 else 'int'}" for i in range(65_536))
    body = "PUSH 7\nSET_GLOBAL g65534\nPUSH 2.0\nSET_GLOBAL g65535\nGET_GLOBAL g65534\nGET_GLOBAL g65535\nMUL\nFLOAT_TO_INT\nRET"
    assert called(f"{names}\n{MAIN}.func f() -> int\n{body}\n.end\n.export f\n", "f") == (14,)


def test_jumps_over_much_code():
    text = f"""{MAIN}.func f(n: int) -> int
GET_LOCAL n
JMP far
middle:
{FILLER}RET
far:
PUSH 2
MUL
JMP middle
.end
.export f
"""
    assert called(text, "f", [21]) == (42,)


def test_the_end_of_a_coroutine_is_two_records():
    image = roomy(MAIN)
    code = encode(image, handler_numbers(standard()))
    assert END_RECORDS == 2
    assert {int(number) for number in code.records[:2, 0]} == {handler_numbers(standard())[("END",), True]}
    assert code.records.shape[1] * 8 == RECORD
