"""Host calls by identity: find them, check them, and turn HOSTCALL into SYSCALL. Nothing is ever matched nearly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..contract import Diagnostic, Place
from ..host import Registry, Service
from ..isa.code import CodeProblem, Decoded, decode_code
from ..isa.program import Function, Program
from ..isa.table import BY_NAME
from ..isa.types import FunctionType, Type
from ..verifier import HostCall
from .manifest import Manifest

_SYSCALL = BY_NAME["SYSCALL"]
_OPCODES = tuple(BY_NAME[name].opcode.to_bytes(2, "little") for name in ("HOSTCALL", "SYSCALL"))
KNOWN_SERVICES = 1024  # whose calls are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the imports of a program came to. `services` is beside the imports; None where one was not found."""

    services: tuple[Service | None, ...]
    findings: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]


def resolve(program: Program, manifest: Manifest | None, registry: Registry) -> Resolution:
    """Look up every import and hold it against the manifest.

    Findings come in the order of the stages: identities, signatures, capabilities, use; within a stage in the order of
    the imports, then of the code. A bare program (no manifest) declares by importing.
    """
    services = tuple(registry.services.get(row.identity) for row in program.imports)
    findings = [*_identities(program, services, manifest, registry), *_signatures(program, services)]
    findings += [*_capabilities(services, manifest, registry), *_use(program)]
    warnings = tuple(
        Diagnostic(
            code="host_call_deprecated", subject=service.identity, available=service.shim_of, details=_life(service)
        )
        for service in services
        if service is not None and service.deprecated is not None
    )
    return Resolution(services=services, findings=tuple(findings), warnings=warnings)


def _life(service: Service) -> dict[str, str | int]:
    return {"deprecated since": service.deprecated or "", "removed in": service.removed or "no release so far"}


def _identities(
    program: Program, services: tuple[Service | None, ...], manifest: Manifest | None, registry: Registry
) -> Iterator[Diagnostic]:
    declared = None if manifest is None else set(manifest.host_calls)
    for row, service in zip(program.imports, services, strict=True):
        if service is None:
            versions = registry.versions(row.module, row.name)
            if versions:
                available = ", ".join(str(version) for version in versions)
                yield Diagnostic(
                    code="host_call_version_unsupported",
                    subject=row.identity,
                    required=str(row.version),
                    available=available,
                )
            else:
                yield Diagnostic(code="host_call_unknown", subject=row.identity)
        if declared is not None and row.identity not in declared:
            yield Diagnostic(code="host_call_undeclared", subject=row.identity)
    imported = {row.identity for row in program.imports}
    for identity in manifest.host_calls if manifest else ():
        if identity not in imported:
            yield Diagnostic(code="host_call_not_imported", subject=identity)


def _signatures(program: Program, services: tuple[Service | None, ...]) -> Iterator[Diagnostic]:
    expected: dict[str, FunctionType | None] = {}  # each searches the type table, so once per identity
    for row, service in zip(program.imports, services, strict=True):
        if service is None:
            continue
        if row.identity not in expected:
            expected[row.identity] = service.signature.within(program.types)
        if expected[row.identity] != FunctionType(row.params, row.results):
            yield Diagnostic(code="host_call_abi_mismatch", subject=row.identity, required=service.effect)


def _capabilities(
    services: tuple[Service | None, ...], manifest: Manifest | None, registry: Registry
) -> Iterator[Diagnostic]:
    if manifest is None:
        return
    declared = dict(_family(text) for text in manifest.capabilities)
    for service in services:
        if service is not None and service.capability is not None:
            family, needed = _family(service.capability)
            if not _offers(declared.get(family), needed):
                yield Diagnostic(code="capability_undeclared", subject=service.identity, required=service.capability)
    for text in manifest.capabilities:
        family, needed = _family(text)
        have = registry.capabilities.get(family)
        if not _offers(None if have is None else _family(f"{family}@{have}")[1], needed):
            yield Diagnostic(code="capability_unavailable", subject=text, available=have or "nothing")


def _family(text: str) -> tuple[str, tuple[int, int]]:
    family, _, version = text.partition("@")
    major, _, minor = version.partition(".")
    return family, (int(major), int(minor))


def _offers(have: tuple[int, int] | None, needed: tuple[int, int]) -> bool:
    return have is not None and have[0] == needed[0] and have[1] >= needed[1]


def _use(program: Program) -> Iterator[Diagnostic]:
    used = set()
    problems = []
    for index, pc, decoded in _instructions(program):
        if decoded.row.name == "SYSCALL":
            problems.append(Diagnostic(code="raw_syscall_forbidden", place=_place(program, index, pc)))
        elif decoded.row.name == "HOSTCALL":
            used.add(decoded.immediates[0])
            if decoded.immediates[0] >= len(program.imports):
                available = str(decoded.immediates[0])
                required = f"below {len(program.imports)}"
                place = _place(program, index, pc)
                problems.append(
                    Diagnostic(code="host_call_index_invalid", place=place, required=required, available=available)
                )
    for index, row in enumerate(program.imports):
        if index not in used:
            yield Diagnostic(code="host_call_unused", subject=row.identity)
    yield from problems


def _place(program: Program, index: int, pc: int) -> Place:
    return Place(function=index, name=program.function_name(index), pc=pc, line=program.line_at(index, pc))


def _instructions(program: Program) -> Iterator[tuple[int, int, Decoded]]:
    """Function, pc and instruction, up to the first byte of each function that is no instruction.

    Functions are left out that have the opcodes of host calls nowhere among their bytes.
    """
    for index, function in enumerate(program.functions):
        if not _may_call_host(function):
            continue
        try:
            code = decode_code(function.code)
        except CodeProblem as problem:
            code = problem.before  # the verifier says what is wrong with the rest
        for decoded in code:
            yield index, decoded.pc, decoded


def _may_call_host(function: Function) -> bool:
    return any(opcode in function.code for opcode in _OPCODES)


def patch(program: Program, services: tuple[Service, ...]) -> Program:
    """The program with every HOSTCALL replaced by the SYSCALL of its service, at the same place and size."""
    functions = []
    for function in program.functions:
        if not services or not _may_call_host(function):
            functions.append(function)
            continue
        code = bytearray(function.code)
        try:
            instructions = decode_code(function.code)
        except CodeProblem:
            instructions = []
        for decoded in instructions:
            if decoded.row.name == "HOSTCALL":
                number = services[decoded.immediates[0]].number
                code[decoded.pc : decoded.next_pc] = _SYSCALL.pack(_SYSCALL.opcode, number)
        functions.append(replace(function, code=bytes(code)))
    return replace(program, functions=tuple(functions))


def host_calls(rows: Mapping[int, Service], program: Program) -> dict[int, HostCall]:
    """Services by number, as the verifier needs them; those whose types the program lacks are left out."""
    calls = {}
    for number, service in rows.items():
        call = _in_any_program(service) or _in_program(service, program.types)
        if call is not None:
            calls[number] = call
    return calls


@lru_cache(KNOWN_SERVICES)
def _in_any_program(service: Service) -> HostCall | None:
    """The service as any program calls it; None where that depends on the program's types."""
    return _in_program(service, ())


def _in_program(service: Service, types: Sequence[Type]) -> HostCall | None:
    signature = service.signature.within(types)
    if signature is None:
        return None
    return HostCall(signature=signature, cycles=service.cycles, metered=service.extra_cycles is not None)
