"""Kernels with other functions in the places of some: how an engine puts its own turn and hash into the frame loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any


class Rebinding:
    """Copies functions of this package together with all those of the package that they call.

    ports: names that stand for other values in the copies. finish: what every copy passes through (a compiler), callees
    first. A function is copied once.
    """

    def __init__(
        self, ports: Mapping[str, Any], finish: Callable[[Callable[..., Any]], Any] = lambda function: function
    ) -> None:
        self.ports = ports
        self.finish = finish
        self._made: dict[FunctionType, Any] = {}

    def copy(self, function: Callable[..., Any]) -> Any:
        """The copy of `function`, finished."""
        assert isinstance(function, FunctionType)
        if function.__name__ in self.ports:
            return self.ports[function.__name__]
        if function not in self._made:
            scope = dict(function.__globals__)
            for name in function.__code__.co_names:
                callee = scope.get(name)
                if isinstance(callee, FunctionType) and _package(callee) == _package(function):
                    scope[name] = self.copy(callee)
            copy = FunctionType(
                function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
            )
            copy.__module__ = function.__module__
            copy.__qualname__ = function.__qualname__
            copy.__annotations__ = function.__annotations__
            self._made[function] = self.finish(copy)
        return self._made[function]


def _package(function: FunctionType) -> str:
    return function.__module__.partition(".")[0]
