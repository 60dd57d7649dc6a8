"""The pool's core knows no I/O, and none of it knows the client it is there to check."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stratum_client.emulated_pool.engine

FOLDER = Path(stratum_client.emulated_pool.engine.__file__).parent
SHELL = {"server", "connection", "command", "arguments"}
IO_MODULES = {"asyncio", "socket", "ssl", "time", "random", "signal", "structlog"}
NEUTRAL = {"stratum_client.units", "stratum_client.clock", "stratum_client.errors"}


def imports(path: Path) -> Iterator[str]:
    """Yield the modules imported at run time."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_what_it_may(path: Path) -> None:
    found = set(imports(path))

    inside = {name for name in found if name.startswith("stratum_client.emulated_pool")}
    outside = {name for name in found - inside if name.startswith(("stratum_client", "drivers"))}
    assert outside <= NEUTRAL
    if path.stem not in SHELL:
        assert not {name.partition(".")[0] for name in found} & IO_MODULES
        assert not {name.rpartition(".")[2] for name in inside} & SHELL
