"""Codecs and policies here do no I/O and know no clock; only the named shells do."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "drivers" / "peripherals"
PURE = [
    *("bitaxe_raw", "bitaxe_raw_replies", "pmbus", "plausible", "duty", "tps546_settings"),
    *("fan_pid", "heat_limits", "stillness", "sensor_watch", "fan_watch", "thermal_guard"),
]
IO_MODULES = {"asyncio", "socket", "ssl", "serial", "usb", "time", "random", "os"}


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_io(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())

    imported = {
        module.split(".")[0]
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert not imported & IO_MODULES
