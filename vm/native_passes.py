"""How far numba goes with the functions of the native core: the passes that they need, and each signature searched for once.

The functions are plain: annotated, no closures, no `with`, no objects. What numba's other passes look for is not in them, and
the IR is the same without. Numba searches anew for what fits at every `+` of every function; here what was found stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import typed_passes, untyped_passes
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.registry import cpu_target

PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.ReconstructSSA,
    typed_passes.NopythonTypeInference,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)
_RESOLVE = "resolve_function_type"  # of numba's typing context: the signature of a function for types of arguments


class PlainCompiler(CompilerBase):  # type: ignore[misc] # numba is typed in part only
    """numba's compiler with these passes alone."""

    def define_pipelines(self) -> list[Any]:
        """One, which does or fails: there is no other way to compile."""
        manager = PassManager("plain functions")
        for each in PASSES:
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


def remember_signatures() -> None:
    """From now on this process searches for a signature once."""
    context = cpu_target.typing_context
    if _RESOLVE not in vars(context):
        setattr(context, _RESOLVE, _remembering(getattr(context, _RESOLVE)))


def _remembering(resolve: Callable[..., Any]) -> Callable[..., Any]:
    found: dict[object, Any] = {}

    def resolved(function: Any, arguments: Any, named: Any) -> Any:
        key = function, tuple(arguments)
        if named or key not in found:
            signature = resolve(function, arguments, named)
            if named or signature is None:
                return signature
            found[key] = signature
        return found[key]

    return resolved
