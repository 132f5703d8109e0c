"""How the cost of metering is measured: both sides compute the same, one of them counts, and only the benchmark has the other."""

import json
from dataclasses import replace

import pytest

from pbs.bench import metering
from pbs.bench.metering import METERED, UNMETERED, UnmeteredCode, machine_of
from pbs.bench.suite import KERNELS
from pbs.contract import InternalError
from pbs.contract.limits import PROFILES
from pbs.loader import assemble, load
from pbs.vm import Machine, Trapped, cache
from pbs.vm.compiled.function import FunctionCode

TRAPPING = """
.export divide
.func main() -> ()
    HALT
.end
.func divide(n: int) -> int
    PUSH 7
    GET_LOCAL n
    DIV
    RET
.end
.export sink
.func sink(n: int) -> int
    GET_LOCAL n
    CALL sink
    RET
.end
"""


@pytest.fixture(scope="module")
def found():
    return metering.measure(3, "small")


def test_every_kernel_runs_with_and_without(found):
    assert [row["name"] for row in found["kernels"]] == [kernel.name for kernel in KERNELS]
    for row in [*found["kernels"], found["geomean"]]:
        assert 0 < row["least"] <= row["median"] <= row["greatest"]
    for row in found["kernels"]:
        assert {name: len(seconds) for name, seconds in row["seconds"].items()} == {METERED: 3, UNMETERED: 3}
        assert len(row["ratios"]) == 3


def test_the_metered_side_counts_like_the_reference_and_the_other_does_not(found):
    for kernel, row in zip(KERNELS, found["kernels"], strict=True):
        reference = Machine(kernel.image(), engine="reference")
        reference.call(kernel.name, [kernel.sizes["small"].argument])
        assert row["cycles"][METERED] == reference.cycles > 100 * row["cycles"][UNMETERED]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("argument", [0, 1, 2, 7, 33])
def test_results_are_equal_for_other_arguments_too(kernel, argument):
    reference = Machine(kernel.image(), engine="reference")
    assert machine_of(kernel.image(), UnmeteredCode).call(kernel.name, [argument % 16]) == reference.call(
        kernel.name, [argument % 16]
    )


def test_traps_and_deep_calls_still_end_what_is_not_metered():
    image = load(assemble(TRAPPING), limits=PROFILES["JAM"])
    for export, code in (("divide", "DIV_ZERO"), ("sink", "CALL_DEPTH")):
        with pytest.raises(Trapped) as caught:
            machine_of(image, UnmeteredCode).call(export, [0])
        assert caught.value.record.code.name == code


def test_a_kernel_that_comes_to_something_else_is_no_measurement(monkeypatch):
    wrong = replace(KERNELS[0], sizes={"small": replace(KERNELS[0].sizes["small"], result=1)})
    monkeypatch.setattr(metering, "KERNELS", (wrong,))
    with pytest.raises(InternalError):
        metering.measure(1, "small")


def test_nothing_of_it_is_kept_where_a_user_could_run_it(monkeypatch):
    kinds = []
    monkeypatch.setattr(cache, "write", lambda kind, *_: kinds.append(kind))
    for writer in (FunctionCode, UnmeteredCode):
        machine_of(KERNELS[0].image(), writer)
    assert "compiled" not in kinds


def test_the_table_and_the_object_say_the_same(monkeypatch, capsys, found):
    monkeypatch.setattr(metering, "measure", lambda *_: found)
    assert metering.main([]) == metering.main(["--json"]) == 0
    table, printed = capsys.readouterr().out.split("{", 1)
    assert json.loads("{" + printed) == json.loads(json.dumps(found))
    assert table.splitlines()[-1].split()[:2] == ["geomean", f"{(found['geomean']['median'] - 1) * 100:+.1f}"]
