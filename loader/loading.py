"""Bytes on disk to a trusted Image, in one total order of checks, with no fallback anywhere.

    manifest -> compatibility axes -> program file -> host identities -> signatures -> capabilities -> use of host calls
    -> patch -> verify -> Image

Each stage reports everything it finds; a stage that cannot go on ends the list. The same input gives the same findings in the
same order. Source: docs/machine.md, loading.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from semver import Version

from ..contract import Diagnostic, Place, Rejected, axes
from ..contract.evaluate import AtLeastRequirement, RangeRequirement, Requirement, evaluate
from ..contract.files import read_bytes
from ..contract.limits import DEFAULT_PROFILE, PROFILES, Limits, check_limits
from ..contract.versions import VersionRange, parse_version
from ..host import Registry, standard
from ..host.bitmap import Bitmap
from ..host.bitmap import decode as decode_bitmap
from ..isa import container
from ..isa.program import Meta, Program
from ..verifier import Facts, verify
from .cartridge import MAGIC as CARTRIDGE_MAGIC
from .cartridge import (
    MAX_CARTRIDGE_BYTES,
    PROGRAM,
    Cartridge,
    content_digest,
    decode_cartridge,
    encode_cartridge,
    read_directory,
)
from .image import Image
from .manifest import Manifest
from .resolve import host_calls, patch, resolve


def load(source: Path | str | bytes, *, limits: Limits | None = None, registry: Registry | None = None) -> Image:
    """The Image of a cartridge (directory or `.cart`) or of a bare program (`.pbx`), given by path or as bytes.

    A bare program has no manifest: it declares what it needs by its imports and its meta section, and gets the limits
    given here, or those of the default profile; a cartridge's limits stand in its manifest. Raises Rejected with all findings.
    """
    host = registry or standard()
    if not isinstance(source, bytes):
        path = Path(source)
        if os.path.isdir(path):  # unlike Path.is_dir it has an answer for every name
            return load_cartridge(read_directory(path), registry=host)
        source = read_bytes(path, MAX_CARTRIDGE_BYTES)
    if source[:4] == CARTRIDGE_MAGIC:
        return load_cartridge(decode_cartridge(source), registry=host)
    program = container.decode(source)
    findings = evaluate(_program_requirements(program.meta))
    image_limits = limits or PROFILES[DEFAULT_PROFILE]
    check_limits(image_limits)
    return make_image(program, None, findings, host, image_limits, content_digest({PROGRAM: source}), source, ())


def load_cartridge(cartridge: Cartridge, *, registry: Registry | None = None) -> Image:
    """The Image of a cartridge's members. Raises Rejected with all findings."""
    host = registry or standard()
    manifest = cartridge.manifest
    findings = evaluate(_manifest_requirements(manifest))
    findings += [Diagnostic(code="pack_unavailable", subject=pack) for pack in manifest.packs]
    findings += _entry_owners(manifest)
    try:
        program = container.decode(cartridge.members[PROGRAM])
    except Rejected as error:
        cause = Diagnostic(
            code="program_invalid", subject=PROGRAM, details={"reason": error.code}, available=error.diagnostic.subject
        )
        raise Rejected.of([*findings, cause, error.diagnostic]) from None
    findings += _target_differences(manifest, program.meta)
    assets, asset_findings = _assets(cartridge)
    findings += asset_findings + _entry_exports(manifest, program)
    flat = encode_cartridge(cartridge.members)
    return make_image(program, manifest, findings, host, manifest.limits, cartridge.digest, flat, assets)


def make_image(
    program: Program,
    manifest: Manifest | None,
    findings: list[Diagnostic],
    registry: Registry,
    limits: Limits,
    digest: bytes,
    source: bytes,
    assets: tuple[Bitmap, ...],
) -> Image:
    """The stages behind reading, shared by cartridges and bare programs: resolve, patch, verify."""
    resolution = resolve(program, manifest, registry)
    findings = [*findings, *resolution.findings]
    if findings:
        raise Rejected.of(findings)
    services = tuple(service for service in resolution.services if service is not None)
    patched = patch(program, services)
    called = {service.number: service for service in services}
    facts = verify(patched, host_calls(called, patched), host_calls(registry.intrinsics_by_number, patched))
    findings = _misfits(patched, facts, limits)
    if findings:
        raise Rejected.of(findings)
    warnings = list(resolution.warnings)
    runtime = parse_version(axes.CURRENT[axes.NATIVE_RUNTIME])
    if manifest is not None and manifest.tested_versions and runtime not in manifest.tested_versions:
        warnings.append(Diagnostic(code="runtime_untested", subject=manifest.id, available=str(runtime)))
    return Image(
        digest=digest,
        source=source,
        program=patched,
        facts=facts,
        services=called,
        intrinsics=registry.intrinsics_by_number,
        limits=limits,
        registry=registry,
        assets=assets,
        manifest=manifest,
        warnings=tuple(warnings),
    )


def _misfits(program: Program, facts: Facts, limits: Limits) -> list[Diagnostic]:
    """What could not even start within the limits."""
    findings = []
    for index, function in enumerate(facts.functions):
        if function.frame_words > limits.stack_words:
            place = Place(function=index, name=program.function_name(index))
            required, available = str(function.frame_words), str(limits.stack_words)
            findings.append(Diagnostic(code="frame_exceeds_stack", place=place, required=required, available=available))
    strings = [constant.value for constant in program.constants if isinstance(constant.value, bytes)]
    words = sum((len(value) + 7) // 8 for value in strings)
    if words > limits.heap_words or len(strings) > limits.objects:
        findings.append(Diagnostic(code="constants_exceed_heap", required=str(words), available=str(limits.heap_words)))
    return findings[:20]


# ---- compatibility -------------------------------------------------------------------------------------------------


def _runtime(accepted: VersionRange) -> Requirement:
    return RangeRequirement(
        axis=axes.NATIVE_RUNTIME,
        accepted=accepted,
        major_code="target_major_unsupported",
        range_code="target_range_unsupported",
    )


def _profile(name: str, version: Version) -> Requirement:
    # An unknown profile is an axis that the runtime does not have.
    axis = axes.LANGUAGE_PROFILES.get(name, f"language_profile_{name}")
    return AtLeastRequirement(axis=axis, minimum=version, code="profile_unsupported")


def _manifest_requirements(manifest: Manifest) -> list[Requirement]:
    return [
        AtLeastRequirement(
            axis=axes.MANIFEST_SCHEMA, minimum=manifest.schema_version, code="manifest_schema_unsupported"
        ),
        _runtime(manifest.runtime),
        AtLeastRequirement(axis=axes.ISA, minimum=manifest.isa, code="isa_unsupported"),
        _profile(manifest.profile, manifest.profile_version),
    ]


def _program_requirements(meta: Meta) -> list[Requirement]:
    """What a bare program's meta section asks for."""
    try:
        maximum = None if meta.runtime_max is None else parse_version(meta.runtime_max)
        return [
            _runtime(VersionRange(minimum=parse_version(meta.runtime_min), maximum=maximum)),
            AtLeastRequirement(axis=axes.ISA, minimum=parse_version(meta.isa), code="isa_unsupported"),
            _profile(meta.profile, parse_version(meta.profile_version)),
        ]
    except ValueError:
        raise Rejected("program_meta_invalid", subject="meta") from None


def _target_differences(manifest: Manifest, meta: Meta) -> list[Diagnostic]:
    """The program must have been made for what the manifest declares."""
    pairs = (
        ("isa", str(manifest.isa), meta.isa),
        ("profile", manifest.profile, meta.profile),
        ("profile_version", str(manifest.profile_version), meta.profile_version),
    )
    return [
        Diagnostic(code="target_mismatch", subject=name, required=declared, available=built)
        for name, declared, built in pairs
        if declared != built
    ]


# ---- entries and assets --------------------------------------------------------------------------------------------


def _entry_owners(manifest: Manifest) -> list[Diagnostic]:
    findings = []
    for entry in manifest.entries:
        if entry.owner != "vm":
            findings.append(
                Diagnostic(code="entry_owner_unsupported", subject=entry.name, required=entry.owner, available="vm")
            )
        for capability in entry.capabilities:
            if capability not in manifest.capabilities:
                findings.append(
                    Diagnostic(code="capability_undeclared", subject=f"entry {entry.name}", required=capability)
                )
    return findings


def _entry_exports(manifest: Manifest, program: Program) -> list[Diagnostic]:
    exports = {export.name for export in program.exports}
    return [
        Diagnostic(code="entry_export_missing", subject=entry.name, required=entry.export)
        for entry in manifest.entries
        if entry.export is not None and entry.export not in exports
    ]


def _assets(cartridge: Cartridge) -> tuple[tuple[Bitmap, ...], list[Diagnostic]]:
    assets, findings = [], []
    for asset in cartridge.manifest.assets:
        try:
            assets.append(decode_bitmap(cartridge.members[asset.file]))
        except Rejected as error:
            findings.append(replace(error.diagnostic, subject=asset.file))
    return tuple(assets), findings
