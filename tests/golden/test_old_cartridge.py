"""A cartridge made for an old version of a service still runs: the shim draws what the old service drew."""

import pytest

import pbs
from pbs.contract import Rejected
from pbs.host import standard
from pbs.host.registry import Service, build
from pbs.loader.cartridge import Cartridge
from pbs.loader.loading import load_cartridge
from pbs.loader.manifest import parse_manifest
from pbs.vm import Machine

ENGINES = ("reference", "interpreter", "compiled")
MANIFEST = """\
manifest_schema_version: "1.0.0"
identity: {id: old, title: Old, version: "1.0.0"}
runtime_compatibility: {min_version: "1.0.0"}
target: {isa: "1.0.0", profile: core, profile_version: "1.0.0"}
requires:
  host_calls: [[gfx, present, 1], [gfx, text, VERSION]]
  capabilities: [gfx@1.0]
entries: {main: {owner: vm}}
"""
SOURCE = """\
.func main()
    PUSH 20
    PUSH 30
    PUSH "Hello\\nyou"
    PUSH 0xFFFF
    HOSTCALL TEXT
    HOSTCALL gfx.present/1
    FRAME_SYNC
    RET
.end
"""


def cartridge(version: int) -> Cartridge:
    manifest = MANIFEST.replace("VERSION", str(version)).encode()
    call = "gfx.text/1" if version == 1 else "gfx.text/2"
    source = SOURCE if version == 1 else SOURCE.replace("    HOSTCALL TEXT", "    PUSH 1\n    HOSTCALL TEXT")
    program = pbs.assemble(source.replace("TEXT", call))
    return Cartridge(parse_manifest(manifest), {"manifest.yaml": manifest, "program.pbx": program})


def without_the_shim():
    rows = standard()
    kept = tuple(s for s in (*rows.services.values(), *rows.intrinsics.values()) if s.identity != "gfx.text/1")
    return build(kept, rows.capabilities)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_old_version_draws_what_the_new_one_draws_in_natural_size(engine):
    screens = []
    for version in (1, 2):
        machine = Machine(load_cartridge(cartridge(version)), engine=engine)
        machine.run_frame()
        screens.append(machine.screen())
    assert screens[0].any()
    assert (screens[0] == screens[1]).all()


def test_both_engines_agree_on_the_old_cartridge():
    image = load_cartridge(cartridge(1))
    results = [Machine(image, engine=engine).run(2) for engine in ENGINES]
    assert results[0] == results[1]


def test_the_user_is_told_that_it_is_old():
    warnings = load_cartridge(cartridge(1)).warnings
    assert [(w.code, w.subject, w.available) for w in warnings] == [
        ("host_call_deprecated", "gfx.text/1", "gfx.text/2")
    ]
    assert load_cartridge(cartridge(2)).warnings == ()


def test_without_its_row_the_old_version_is_refused_not_guessed():
    with pytest.raises(Rejected) as refused:
        load_cartridge(cartridge(1), registry=without_the_shim())
    assert (refused.value.code, refused.value.diagnostic.available) == ("host_call_version_unsupported", "2")


def test_the_shim_says_how_long_it_stays():
    row = standard().services["gfx.text/1"]
    assert isinstance(row, Service)
    assert (row.deprecated, row.removed, row.shim_of) == ("1.0.0", "2.0.0", "gfx.text/2")
