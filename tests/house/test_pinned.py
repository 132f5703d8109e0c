"""What the native core relies on of numba and llvmlite beyond what they promise; each is a test, so that a new version says no."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import binding as llvm
from numba.core.compiler import Compiler

from pbs.host import gfx
from pbs.host.devices import Bytes, Pixels, Words
from pbs.vm import handlers, native_build
from pbs.vm.kernels import heap
from pbs.vm.native_build import _Compiler, _object
from pbs.vm.native_names import CONVENTIONS
from pbs.vm.target import target_machine

LEAST = -(1 << 63)


@pytest.fixture(scope="module", autouse=True)
def _targets():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def loaded(objects: list[bytes]):
    """An engine that holds these object files."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    for data in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine


# ---- functions as numba compiles them: `i32 f(result*, exception**, views and scalars...)`


def wraps(a: int, b: int) -> int:
    return a * 3 + b


def several(a: int, x: float) -> tuple[int, float, int]:
    return a + 1, x * 0.5, a >> 1


def divides(a: int, b: int) -> int:
    return a // b


def fills(state: Words, log: Bytes, pixels: Pixels, count: int) -> int:
    total = 0
    for i in range(count):
        total += state[i] + log[i] + pixels[i]
        log[i] = 255
        pixels[i] = state[i] & 0xFFFF
    return total


def clamped(a: int, low: int, high: int) -> int:
    return min(max(a, low), high)


def nothing(state: Words) -> None:
    state[0] = 7


def over(x: float, y: float) -> float:
    return x / y


def inner(a: int) -> int:
    return a + 1


def outer(a: int) -> int:
    return inner(inner(a))


FUNCTIONS = (wraps, several, divides, fills, clamped, nothing, over, outer)


@pytest.fixture(scope="module")
def compiled_texts():
    """The functions, compiled as `native_build` does: their IR, and an engine with them."""
    compiler = _Compiler(with_turn=False)
    for function in FUNCTIONS:
        compiler.copies.copy(function)
    symbols = [native_build.symbol_of(function) for function in FUNCTIONS]
    return compiler.texts, loaded([_object(compiler.texts, public=symbols)])


def call(compiled_texts, function, *arguments, results: str = "q"):
    """Call by symbol in numba's convention; status and results."""
    address = compiled_texts[1].get_function_address(native_build.symbol_of(function))
    assert address
    place, exception = (ctypes.c_int64 * 8)(), ctypes.c_void_p()
    kinds = [
        ctypes.c_double if isinstance(a, float) else ctypes.c_int64 if isinstance(a, int) else ctypes.c_void_p
        for a in arguments
    ]
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)
    given = [a if isinstance(a, (int, float)) else a.ctypes.data for a in arguments]
    status = prototype(address)(ctypes.addressof(place), ctypes.addressof(exception), *given)
    words = np.frombuffer(place, np.int64)
    return status, tuple(
        float(words[i : i + 1].view(np.float64)[0]) if k == "d" else int(words[i]) for i, k in enumerate(results)
    )


def test_ints_wrap_around(compiled_texts):
    assert call(compiled_texts, wraps, (1 << 62) + 5, 1) == (0, (3 * ((1 << 62) + 5) + 1 - (1 << 64),))


def test_several_results_lie_one_behind_the_other(compiled_texts):
    assert call(compiled_texts, several, -3, 5.0, results="qdq") == (0, (-2, 2.5, -2))


@pytest.mark.parametrize(("a", "b", "quotient"), [(7, 2, 3), (-7, 2, -4), (7, -2, -4), (LEAST, 3, LEAST // 3)])
def test_division_rounds_down_as_python_does(compiled_texts, a, b, quotient):
    assert call(compiled_texts, divides, a, b) == (0, (quotient,))


def test_division_by_zero_raises_nothing(compiled_texts):
    assert call(compiled_texts, divides, 7, 0)[0] == 0
    assert call(compiled_texts, over, 1.0, 0.0, results="d") == (0, (float("inf"),))


def test_views_are_plain_pointers_to_elements_of_their_size(compiled_texts):
    state = np.array([1, -2, 1 << 40], np.int64)
    log, pixels = np.array([200, 1, 2, 9], np.uint8), np.array([65535, 1, 2, 9], np.uint16)
    total = sum(int(a) + int(b) + int(c) for a, b, c in zip(state, log[:3], pixels[:3], strict=True))
    assert call(compiled_texts, fills, state, log, pixels, 3) == (0, (total,))
    assert log.tolist() == [255, 255, 255, 9]
    assert pixels.tolist() == [1, 65534, 0, 9]


def test_least_and_greatest_are_those_of_ints(compiled_texts):
    assert [call(compiled_texts, clamped, a, 0, 319)[1] for a in (-1, 5, 320, LEAST)] == [(0,), (5,), (319,), (0,)]


def test_a_function_without_results_takes_the_same_two_pointers(compiled_texts):
    state = np.zeros(1, np.int64)
    assert call(compiled_texts, nothing, state, results="")[0] == 0
    assert state[0] == 7


def test_a_call_is_a_call_of_a_symbol(compiled_texts):
    """So functions can be compiled once, each by itself, and linked; numba's own way copies callees into callers."""
    text = next(text for text in compiled_texts[0] if f'define i32 @"{native_build.symbol_of(outer)}"' in text)
    called = native_build.symbol_of(outer).replace("outer", "inner")
    assert len(re.findall(rf'call i32 @"?{re.escape(called)}"?\(', text)) == 2
    assert call(compiled_texts, outer, 40) == (0, (42,))


def test_the_passes_left_out_change_nothing():
    """The IR of functions with loops, branches and calls is that of numba's own list of passes, but for numbers in names."""

    def texts(pipeline):
        compiler = _Compiler(with_turn=False)
        compiler.pipeline = pipeline or compiler.pipeline
        for function in (heap.collect, gfx.line, gfx.circle, outer, several):
            compiler.copies.copy(function)
        return [re.sub(r"B\d*v\d+B", "", text) for text in compiler.texts]

    own = texts(None)
    assert len(own) > 10
    assert own == texts(Compiler)


def test_pointers_have_no_types(compiled_texts):
    """The handlers' IR says `ptr`; with typed pointers it would not link with numba's."""
    assert not re.search(r"\bi64\*|\bi8\*", "".join(compiled_texts[0]))


def test_no_signed_overflow_is_assumed_where_the_handlers_are_written():
    """`nsw` would make a wrap-around undefined; see docs/machine.md, ints."""
    text = handlers.step_module(0, 2, CONVENTIONS[0])
    assert not re.search(r"\b(nsw|nuw|fast|nnan|reassoc|contract)\b", text)


# ---- calling conventions

CHAIN = """
define internal {convention} void @step(i64 %n, i64 %a, i64 %b, ptr %to, double %x) nounwind {{
  %done = icmp eq i64 %n, 0
  br i1 %done, label %end, label %more
more:
  %m = sub i64 %n, 1
  %c = add i64 %a, %b
  %y = fadd double %x, 5.0e-1
  musttail call {convention} void @step(i64 %m, i64 %b, i64 %c, ptr %to, double %y)
  ret void
end:
  store i64 %a, ptr %to
  %second = getelementptr i8, ptr %to, i64 8
  store double %x, ptr %second
  ret void
}}
define void @start(i64 %n, ptr %to) nounwind {{
  call {convention} void @step(i64 %n, i64 0, i64 1, ptr %to, double 0.0)
  ret void
}}
"""
STEPS = 3_000_000  # more than any stack would hold


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_chain_of_tail_calls_needs_no_stack(convention):
    if convention != CONVENTIONS[-1] and platform.machine() not in ("x86_64", "AMD64"):
        convention = CONVENTIONS[-1]  # elsewhere the plain one is used
    engine = loaded([_object([CHAIN.format(convention=convention)], optimize=1)])
    start = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(engine.get_function_address("start"))
    result = np.zeros(2, np.int64)
    start(STEPS, result.ctypes.data)
    a, b = 0, 1
    for _ in range(90):
        a, b = b, a + b
    assert float(result[1:].view(np.float64)[0]) == STEPS / 2
    start(90, result.ctypes.data)
    assert int(result[0]) == a


def test_the_registers_of_a_handler_fit_into_those_of_the_fast_convention():
    """What does not fit would go over the stack at every step."""
    kinds = [kind for kind, _ in handlers.REGISTERS]
    assert len(kinds) - kinds.count("double") <= 12
    assert kinds.count("double") <= 8


# ---- object files


def test_an_object_file_has_only_its_public_symbols():
    text = "define i64 @shown() {\n  %r = call i64 @hidden()\n  ret i64 %r\n}\ndefine i64 @hidden() {\n  ret i64 5\n}\n"
    engine = loaded([_object([text], public=["shown"])])
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address("shown"))() == 5
    assert not engine.get_function_address("hidden")


def test_object_files_find_each_other_and_may_come_later():
    engine = loaded([_object(["define i64 @below() {\n  ret i64 6\n}\n"])])
    above = (
        "declare i64 @below()\ndefine i64 @above() {\n  %r = call i64 @below()\n  %s = mul i64 %r, 7\n  ret i64 %s\n}\n"
    )
    engine.add_object_file(llvm.ObjectFileRef.from_data(_object([above])))
    engine.finalize_object()
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address("above"))() == 42


def test_a_compiler_that_is_switched_off_is_noticed():
    program = "from pbs.vm.native_build import _Compiler\n_Compiler(with_turn=False)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "InternalError: numba's compiler is switched off" in done.stderr
