"""A cartridge as a set of members: a directory, or one flat file `.cart`. Both forms of the same members have one digest.

    header | members, sorted by name: name, length, checksum | their bytes, in the same order, without gaps

The digest is the SHA-256 over the canonical content: for every member, sorted by name, the length of its name, the name, the
length of its bytes, the bytes. Only what the manifest names belongs to a cartridge; a directory may hold more (sources,
pictures, recordings), which is neither loaded nor digested. Source: docs/formats.md, cartridge.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import construct as c

from ..contract import Rejected
from ..contract.files import read_bytes
from .manifest import Manifest, parse_manifest

MAGIC = b"PBSC"
FORMAT_VERSION = 1
MAX_CARTRIDGE_BYTES = 256 * 1024 * 1024
MAX_MEMBER_BYTES = 64 * 1024 * 1024
MAX_MEMBERS = 300

MANIFEST = "manifest.yaml"
PROGRAM = "program.pbx"
_MEMBER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?", re.ASCII)

_Header = c.Struct(
    "magic" / c.Bytes(4), "version" / c.Int16ul, "members" / c.Int16ul, "length" / c.Int64ul, "checksum" / c.Int32ul
)
_Member = c.Struct("name" / c.PascalString(c.Int8ul, "ascii"), "length" / c.Int32ul, "checksum" / c.Int32ul)
_HEADER_BYTES = _Header.sizeof()


@dataclass(frozen=True, slots=True)
class Cartridge:
    """The members that the manifest names, whole and unchecked but for the manifest."""

    manifest: Manifest
    members: Mapping[str, bytes]  # sorted by name

    @property
    def digest(self) -> bytes:
        """The identity of the content, 32 bytes."""
        return content_digest(self.members)


def content_digest(members: Mapping[str, bytes]) -> bytes:
    """SHA-256 over the canonical content."""
    digest = hashlib.sha256()
    for name in sorted(members):
        encoded = name.encode("ascii")
        digest.update(struct.pack("<I", len(encoded)) + encoded)
        digest.update(struct.pack("<Q", len(members[name])) + members[name])
    return digest.digest()


def read_directory(folder: Path) -> Cartridge:
    """The cartridge in a directory. Raises Rejected where a named member is missing or unreadable."""
    manifest_bytes = _read_member(folder, MANIFEST)
    manifest = parse_manifest(manifest_bytes)
    members = {MANIFEST: manifest_bytes}
    for name in _named(manifest):
        members[name] = _read_member(folder, name)
    return Cartridge(manifest, dict(sorted(members.items())))


def _named(manifest: Manifest) -> list[str]:
    return sorted({PROGRAM, *(asset.file for asset in manifest.assets)})


def _read_member(folder: Path, name: str) -> bytes:
    try:
        return read_bytes(folder / name, MAX_MEMBER_BYTES)
    except Rejected as error:
        if error.code == "file_missing":
            raise Rejected("cartridge_member_missing", subject=name) from None
        raise


def decode_cartridge(data: bytes) -> Cartridge:
    """The cartridge in a flat file's bytes. Raises Rejected with the first thing that is wrong."""
    members = _members(data)
    if MANIFEST not in members:
        raise Rejected("cartridge_member_missing", subject=MANIFEST)
    manifest = parse_manifest(members[MANIFEST])
    named = {MANIFEST, *_named(manifest)}
    for name in sorted(named - set(members)):
        raise Rejected("cartridge_member_missing", subject=name)
    for name in sorted(set(members) - named):
        raise Rejected("cartridge_member_unknown", subject=name)
    return Cartridge(manifest, members)


def _members(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_CARTRIDGE_BYTES:
        raise Rejected("file_too_large", required=f"at most {MAX_CARTRIDGE_BYTES}", available=str(len(data)))
    if data[:4] != MAGIC[: len(data)] or not data:
        raise Rejected("cartridge_malformed", details={"reason": "it does not start like a cartridge"})
    if len(data) < _HEADER_BYTES:
        raise Rejected("cartridge_truncated", required=str(_HEADER_BYTES), available=str(len(data)))
    header = _Header.parse(data[:_HEADER_BYTES])
    if header.version != FORMAT_VERSION:
        raise Rejected("cartridge_format_unsupported", required=str(FORMAT_VERSION), available=str(header.version))
    if header.length > len(data):
        raise Rejected("cartridge_truncated", required=str(header.length), available=str(len(data)))
    if header.length < len(data):
        raise _malformed("bytes behind the last member")
    if header.members > MAX_MEMBERS:
        raise _malformed("too many members")
    try:
        rows, table_bytes = c.Sequence(c.Array(header.members, _Member), c.Tell).parse(data[_HEADER_BYTES:])
    except (c.ConstructError, UnicodeDecodeError):
        raise _malformed("its table of members cannot be read") from None
    at = _HEADER_BYTES + table_bytes
    if header.checksum != _checksum(data[:at]):
        raise Rejected("cartridge_checksum_wrong", subject="header")
    members: dict[str, bytes] = {}
    last = ""
    for row in rows:
        if not _MEMBER_NAME.fullmatch(row.name) or row.name <= last:
            raise _malformed("member names are wrong or out of order")
        if row.length > min(len(data) - at, MAX_MEMBER_BYTES):
            raise _malformed("a member reaches beyond the end")
        body = data[at : at + row.length]
        if zlib.crc32(body) != row.checksum:
            raise Rejected("cartridge_checksum_wrong", subject=row.name)
        members[row.name] = body
        at, last = at + row.length, row.name
    if at != len(data):
        raise _malformed("bytes behind the last member")
    return members


def _malformed(reason: str) -> Rejected:
    return Rejected("cartridge_malformed", details={"reason": reason})


def _checksum(header_and_table: bytes) -> int:
    return zlib.crc32(header_and_table[: _HEADER_BYTES - 4] + bytes(4) + header_and_table[_HEADER_BYTES:])


def encode_cartridge(members: Mapping[str, bytes]) -> bytes:
    """The flat file of these members."""
    names = sorted(members)
    table = b"".join(
        _Member.build({"name": name, "length": len(members[name]), "checksum": zlib.crc32(members[name])})
        for name in names
    )
    length = _HEADER_BYTES + len(table) + sum(len(members[name]) for name in names)
    header = {"magic": MAGIC, "version": FORMAT_VERSION, "members": len(names), "length": length, "checksum": 0}
    header["checksum"] = _checksum(_Header.build(header) + table)
    return b"".join([_Header.build(header), table, *(members[name] for name in names)])
