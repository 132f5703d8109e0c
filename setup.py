"""What pyproject cannot say: the rooms stand at the root, `src/pbs/` links to them.

Where links could not be made (a zip of the tree, Windows without developer mode) the folders are mapped by name.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOMS = ("contract", "isa", "verifier", "host", "loader", "vm", "replay", "console", "bench", "cli", "cartridges")

if all(Path("src/pbs", room).is_dir() for room in ROOMS):
    setup(packages=find_packages("src"), package_dir={"": "src"})
else:
    found = [name for name in find_packages(".") if name.split(".")[0] in ROOMS]
    setup(
        packages=["pbs", *(f"pbs.{name}" for name in found)],
        package_dir={"pbs": "src/pbs", **{f"pbs.{room}": room for room in ROOMS}},
    )
