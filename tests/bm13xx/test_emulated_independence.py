"""The emulator must not agree with the driver because it copied it: they share no module.

The plugs between the two are left out: they know no byte of either.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGS = {"emulated_plug", "emulated_usb_plug"}
EMULATOR = sorted(
    path
    for folder in ("bm13xx", "peripherals")
    for path in (ROOT / "drivers" / folder).glob("emulated*.py")
    if path.stem not in PLUGS
)
DRIVER = sorted(
    path
    for folder in ("bm13xx", "peripherals")
    for path in (ROOT / "drivers" / folder).rglob("*.py")
    if not path.stem.startswith("emulated")
)
COMMON = {"drivers.errors", "drivers.hashing", "drivers.transports.noise"}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.level == 0}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("drivers.")}


@pytest.mark.parametrize("path", EMULATOR, ids=lambda path: path.stem)
def test_the_emulator_imports_only_itself_and_common_ground(path: Path) -> None:
    for name in imported(path):
        own = name.startswith(("drivers.bm13xx.emulated", "drivers.peripherals.emulated"))
        package = name in {"drivers.bm13xx", "drivers.peripherals"}
        common = any(name == item or name.startswith(item + ".") for item in COMMON)
        assert own or common or package, f"{path.stem} imports {name}"


@pytest.mark.parametrize("path", DRIVER, ids=lambda path: path.stem)
def test_the_driver_reaches_emulators_only_through_their_plug(path: Path) -> None:
    emulated = {name for name in imported(path) if ".emulated" in name}

    assert all(name.split(".")[2] in PLUGS for name in emulated)
