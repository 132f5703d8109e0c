"""Every file that PBS ships, empty, cut at every byte, and with one bit of every byte turned: refused, or still sound.

Binary files are sealed, so no damage goes unseen. Text has no seal: a cut or changed manifest or script may still be one, and
must then be played like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbs.contract import LimitReached, PbsError, Rejected
from pbs.contract.diagnostics import registry
from pbs.loader import load
from pbs.loader.cartridge import Cartridge, encode_cartridge, read_directory
from pbs.loader.loading import load_cartridge
from pbs.loader.manifest import parse_manifest
from pbs.replay import Trace, parse_script
from pbs.vm import Machine, Status

from .commands import CARTRIDGES, GOLDEN, PONG

NAMES = sorted(GOLDEN)
FRAMES = 3  # of what is still accepted


def members(name: str) -> dict[str, bytes]:
    return dict(read_directory(CARTRIDGES / name).members)


def shipped(kind: str, name: str) -> bytes:
    """The bytes of a shipped file."""
    return {
        "program": lambda: members(name)["program.pbx"],
        "manifest": lambda: members(name)["manifest.yaml"],
        "cart": lambda: encode_cartridge(members(name)),
        "trace": GOLDEN[name].with_suffix(".pbt").read_bytes,
        "script": GOLDEN[name].with_suffix(".inputs").read_bytes,
    }[kind]()


def places(data: bytes, step: int) -> Iterator[int]:
    """Every byte, or all of the first, which say what a file is, and some of the others."""
    return (at for at in range(len(data)) if at < 16 or at % step == 0)


def cuts(data: bytes, step: int = 1) -> Iterator[bytes]:
    """The data cut short, at every byte or at some; nothing at all is the first."""
    return (data[:size] for size in places(data, step))


def flips(data: bytes, step: int = 1) -> Iterator[bytes]:
    """The data with one bit turned, of every byte or of some."""
    for at in places(data, step):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def refusal(read: Callable[[bytes], object], data: bytes) -> str | None:
    """The registered code with which the data is refused as exit code 3, or None where it is taken."""
    try:
        read(data)
    except PbsError as error:
        assert error.code in registry()
        assert error.exit_code == 3
        return error.code
    return None


def test_nothing_shipped_is_forgotten():
    kinds = {"program.pbx", "manifest.yaml", ".pbt", ".inputs"}
    seen = set()
    for path in CARTRIDGES.rglob("*"):
        seen |= {path.name, path.suffix} & kinds
        assert path.suffix in (
            "",
            ".md",
            ".py",
            ".pyc",
            ".png",
            ".pbasm",
            ".digests",
            ".pbx",
            ".yaml",
            ".pbt",
            ".inputs",
        )
    assert seen == kinds
    assert {path.parent.name for path in CARTRIDGES.glob("*/manifest.yaml")} == set(NAMES)


READERS: dict[str, Callable[[bytes], object]] = {"program": load, "cart": load, "trace": Trace.read}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", READERS)
def test_a_sealed_file_cut_at_any_byte_is_refused(kind, name):
    data = shipped(kind, name)
    assert refusal(READERS[kind], data) is None
    codes = {refusal(READERS[kind], damaged) for damaged in cuts(data)}
    # What is too short to say what it is, is taken for a program.
    assert (
        codes
        == {
            "program": {"program_magic_wrong", "program_truncated"},
            "cart": {"program_magic_wrong", "program_truncated", "cartridge_truncated"},
            "trace": {"trace_malformed", "trace_truncated"},
        }[kind]
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", READERS)
def test_a_sealed_file_with_any_byte_changed_is_refused(kind, name):
    codes = {refusal(READERS[kind], damaged) for damaged in flips(shipped(kind, name))}
    assert None not in codes
    prefix = {"program": "program", "cart": "cartridge", "trace": "trace"}[kind]
    assert {f"{prefix}_checksum_wrong", f"{prefix}_format_unsupported", f"{prefix}_truncated"} <= codes


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_of_a_trace_is_a_beginning_of_it(name):
    data = shipped("trace", name)
    whole = Trace.read(data)
    taken = []
    for damaged in (*cuts(data, 31), data[:-1], *flips(data, 37), *flips(data[-24:])):
        try:
            trace = Trace.read(damaged, partial=True)
        except PbsError as error:
            assert error.exit_code == 3
        else:
            assert trace.rows.tobytes() == whole.rows[: len(trace)].tobytes()
            taken.append(len(trace))
    assert taken
    assert set(taken) <= {len(whole)}  # one block holds all of them


def plays(image: object, inputs: object = None) -> None:
    """It is an image like any other: its frames end, or a declared limit or a trap ends them."""
    machine = Machine(image)
    try:
        results = machine.run(FRAMES, inputs, max_ticks=2)
    except LimitReached:
        return
    assert all(result.status in (Status.SYNCED, Status.TRAPPED) for result in results)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [cuts, flips])
def test_a_damaged_manifest_is_refused_or_means_something_else(name, damage):
    original = members(name)

    def read(data: bytes) -> None:
        plays(load_cartridge(Cartridge(parse_manifest(data), {**original, "manifest.yaml": data})))

    codes = [refusal(read, damaged) for damaged in damage(original["manifest.yaml"])]
    assert codes.count(None) < len(codes) / 5
    assert codes.count("manifest_invalid") > len(codes) / 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [cuts, flips])
def test_a_damaged_script_is_a_usage_error_or_means_something_else(name, damage):
    image = load(CARTRIDGES / name)
    taken = refused = 0
    for damaged in damage(shipped("script", name)):
        try:
            inputs = parse_script(damaged.decode("utf-8"))
        except UnicodeDecodeError:
            continue  # the command says so before it reads a line: below
        except Rejected as error:
            assert error.code == "input_script_invalid"
            refused += 1
        else:
            taken += 1
            if len(inputs) >= FRAMES and taken % 20 == 1:
                plays(image, inputs[:FRAMES])
    assert taken
    assert refused


# ---- the same through the command, at some bytes

STEP = 499  # a prime, so that many parts of the files are met
COMMANDS = {
    "program": [["verify"], ["inspect"], ["disasm"], ["run", "--frames", "2"], ["record", "--frames", "2", "-o", "out.pbt"],
                ["replay", str(GOLDEN["pong"].with_suffix(".pbt")), "--cartridge"], []],
    "cart": [["verify"], ["inspect"], ["disasm"], ["run", "--frames", "2"], ["--frames", "2", "run"]],
    "trace": [["replay"], ["inspect"], ["run", str(PONG), "--trace"]],
}  # fmt: skip


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("damage", [cuts, flips])
def test_every_verb_refuses_a_damaged_file_with_exit_code_3(pbs, tmp_path: Path, kind, damage):
    path = tmp_path / {"program": "a.pbx", "cart": "a.cart", "trace": "a.pbt"}[kind]
    for name in NAMES:
        for number, damaged in enumerate(damage(shipped(kind, name), STEP)):
            path.write_bytes(damaged)
            words = COMMANDS[kind][number % len(COMMANDS[kind])]
            if words[:1] == ["--frames"]:
                words = ["run", *words[:2]]
            if words == ["inspect"] and (kind, damage) == ("trace", cuts) and number:
                words = ["replay"]  # inspect shows what there is of it
            done = pbs(*words, path, "--json")
            assert (done.code, done.error()["family"] in ("malformed", "incompatible")) == (3, True), (words, number)
            assert sorted(file.name for file in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("damage", [cuts, flips])
def test_verify_and_run_agree_on_a_damaged_manifest(pbs, tmp_path, damage):
    folder = tmp_path / "pong"
    folder.mkdir()
    (folder / "program.pbx").write_bytes(shipped("program", "pong"))
    codes = set()
    for damaged in damage(shipped("manifest", "pong"), 11):
        (folder / "manifest.yaml").write_bytes(damaged)
        verified, run = pbs("verify", folder, "--json"), pbs("run", folder, "--frames", 2, "--json")
        assert verified.code == run.code
        if verified.code:
            assert verified.refused() == run.refused()
        codes.add(verified.code)
    assert codes == {0, 3}


@pytest.mark.parametrize("damage", [cuts, flips])
def test_a_damaged_script_is_exit_code_3_or_played(pbs, tmp_path, damage):
    path = tmp_path / "a.inputs"
    codes = set()
    for damaged in damage(shipped("script", "pong"), 7):
        path.write_bytes(damaged)
        done = pbs("run", PONG, "--input", path, "--frames", 2, "--json")
        if done.code:
            assert done.refused() == "input_script_invalid"
        codes.add(done.code)
    assert codes == {0, 3}
