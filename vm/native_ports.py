"""What numba-compiled functions reach outside of numba: memory by address, the handlers, the hash, and each other."""

from __future__ import annotations

import inspect
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import context, handlers, native_names

_WORD, _POINTER, _REAL = ir.IntType(64), ir.IntType(8).as_pointer(), ir.DoubleType()


def ports() -> dict[str, Any]:
    """What stands in the places of the functions that only name a port."""
    return {"peek": _peek, "peek_float": _peek_float, "poke": _poke, "enter": _enter, "hash128": _hash}


@intrinsic
def _peek(_typing: Any, address: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.load(builder.inttoptr(given[0], _WORD.as_pointer()))

    return types.int64(types.int64), generate


@intrinsic
def _peek_float(_typing: Any, address: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.load(builder.inttoptr(given[0], _REAL.as_pointer()))

    return types.float64(types.int64), generate


@intrinsic
def _poke(_typing: Any, address: Any, word: Any) -> Any:
    def generate(target: Any, builder: Any, _signature: Any, given: Any) -> Any:
        builder.store(given[1], builder.inttoptr(given[0], _WORD.as_pointer()))
        return target.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _enter(_typing: Any, ip: Any, fp: Any, budget: Any, calls: Any, engine: Any, acc: Any, facc: Any) -> Any:
    def generate(target: Any, builder: Any, _signature: Any, given: Any) -> Any:
        shapes = {"ptr": _POINTER, "i64": _WORD, "double": _REAL}
        wanted = [shapes[type_] for type_, _ in handlers.REGISTERS]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), wanted), native_names.ENTER
        )
        values = dict(zip(("ip", "fp", "budget", "calls", "cx", "acc", "facc"), given, strict=True))
        for name, word in (("heap", context.HEAP), ("objects", context.OBJECTS)):
            values[name] = builder.load(builder.gep(given[4], [ir.Constant(_WORD, word)]))
        values["cx"] = builder.ptrtoint(given[4], _WORD)
        builder.call(
            function,
            [builder.inttoptr(values[n], _POINTER) if t == "ptr" else values[n] for t, n in handlers.REGISTERS],
        )
        return target.get_dummy_value()

    return types.void(*[types.int64] * 4, engine, types.int64, types.float64), generate


@intrinsic
def _hash(_typing: Any, state: Any, at: Any, words: Any, to: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, given: Any) -> Any:
        shape = ir.FunctionType(ir.VoidType(), [_POINTER, _WORD, _POINTER])
        function = cgutils.get_or_insert_function(builder.module, shape, "pbs_hash128")
        source, target = (builder.bitcast(builder.gep(given[0], [index]), _POINTER) for index in (given[1], given[3]))
        builder.call(function, [source, builder.shl(given[2], ir.Constant(_WORD, 3)), target])
        return ir.Constant(_WORD, 0)

    return types.int64(state, types.int64, types.int64, types.int64), generate


def call_of(name: str, signature: Any, symbol: str) -> Any:
    """An intrinsic that calls a compiled function by its symbol, in numba's own convention."""

    def definition(_typing: Any, *_arguments: Any) -> Any:
        def generate(target: Any, builder: Any, sig: Any, given: Any) -> Any:
            shape = target.call_conv.get_function_type(sig.return_type, sig.args)
            function = cgutils.get_or_insert_function(builder.module, shape, symbol)
            _, result = target.call_conv.call_function(builder, function, sig.return_type, sig.args, given)
            return result

        return signature, generate

    names = ["typing", *(f"a{i}" for i in range(len(signature.args)))]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    definition.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    definition.__name__ = name
    return intrinsic(definition)
