"""Which modules are trusted, and the fast tests that are there for each."""

from __future__ import annotations

from collections.abc import Mapping

_CONTRACT = ("tests/unit/contract",)
_ISA = ("tests/unit/isa",)
_VERIFIER = ("tests/unit/verifier",)
_LOADER = ("tests/unit/loader",)
_SNAPSHOT = tuple(f"tests/unit/vm/test_snapshot{part}.py" for part in ("", "_forged", "_reasons", "_words"))
_FRAME = (
    "tests/unit/vm/test_frames.py",
    "tests/unit/vm/test_frame.py",
    "tests/unit/vm/test_machine.py",
    "tests/unit/vm/test_digest.py",
    "tests/unit/vm/test_collector.py",
    "tests/differential/test_budgets.py",
)

_FOR_ALL = ("tests/house/test_data.py",)

_TESTS: Mapping[str, tuple[str, ...]] = {
    "contract/evaluate.py": _CONTRACT,
    "contract/limits.py": _CONTRACT,
    "contract/strict_yaml.py": _CONTRACT,
    "contract/versions.py": _CONTRACT,
    "isa/code.py": _ISA,
    "isa/container.py": _ISA,
    "isa/structure.py": _ISA,
    "isa/typing.py": (*_ISA, *_VERIFIER),
    "loader/cartridge.py": _LOADER,
    "loader/loading.py": _LOADER,
    "loader/manifest.py": _LOADER,
    "loader/resolve.py": _LOADER,
    "replay/trace.py": ("tests/unit/replay",),
    "verifier/facts.py": _VERIFIER,
    "verifier/reachability.py": _VERIFIER,
    "verifier/verify.py": _VERIFIER,
    "vm/kernels/frames.py": _FRAME,
    "vm/snapshot.py": _SNAPSHOT,
    "vm/snapshot_check.py": _SNAPSHOT,
}

TARGETS: Mapping[str, tuple[str, ...]] = {module: (*tests, *_FOR_ALL) for module, tests in _TESTS.items()}
