"""The import rules of docs/architecture.md, section 2, enforced."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("drivers/**/*.py"), *ROOT.glob("stratum_client/**/*.py")])

IO_MODULES = {"asyncio", "socket", "ssl", "serial", "usb", "time", "random"}
SANS_IO = {
    *("session", "job", "miner", "failover", "hashrate", "stats", "errors", "wire", "coinbase"),
    *("notify", "replies", "requests", "terms", "habits", "liveness", "refusal_watch", "tally"),
    *("certificate", "proxy_url", "config_way"),
    *("session_events", "session_options", "session_jobs", "session_shares", "suggestions"),
    *("opening", "line_buffer", "share_queue"),
    *("ledger_lines", "ledger_records", "block_records", "share_ledger"),
    *("redirect", "backoff", "payout", "payee", "bitcoin_address", "pool_words"),
    "accepted_telling",
    *("pool_health", "pool_roles", "quota", "pool_plan", "pool_watcher", "config_work"),
    *("drivers.api", "drivers.header", "drivers.errors"),
    *("drivers.brown_out", "drivers.supply_watch", "drivers.low_yield", "drivers.due_nonces"),
    *("drivers.settings_reader", "drivers.watch_settings"),
}
SANS_IO_STEMS = {"frames", "chain", "emulated", "chip", "pll"}
COMMON_GROUND = {"api", "header", "errors", "hashing", "transports", "peripherals"} | {
    *("brown_out", "supply_watch", "low_yield", "due_nonces"),
    *("settings_reader", "watch_settings", "emulation", "heat_goals"),
}
SETTLED_LAYERS = [
    {"cli", "__main__"},
    {"daemon"},
    {"api", "pool", "supervise"},
    {"session", "miner", "control"},
    {"job", "failover", "hashrate"},
    {"errors"},
]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> Iterator[str]:
    """Yield what is imported at run time; annotations may name more than code may call."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not is_type_checking_block(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module


def is_type_checking_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def is_sans_io(module: str) -> bool:
    parts = module.split(".")
    if parts[0] == "stratum_client":
        if parts[1] == "control":
            return "io" not in parts
        return module == "stratum_client.emulated_pool.session" or (
            len(parts) == 2 and parts[1] in SANS_IO
        )
    return module in SANS_IO or (len(parts) > 2 and parts[-1] in SANS_IO_STEMS)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_keep_to_the_layers(path: Path) -> None:
    module, found = module_of(path), set(imports(path))
    parts = module.split(".")

    if parts[0] == "drivers":
        assert not [name for name in found if name.startswith("stratum_client")]
        families = {n.split(".")[1] for n in found if n.startswith("drivers.")} - COMMON_GROUND
        if len(parts) > 2 or parts[1] in COMMON_GROUND:
            assert families <= {parts[1]}, "families do not import each other"
    if is_sans_io(module):
        assert not {name.split(".")[0] for name in found} & IO_MODULES


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_arrows_point_one_way(path: Path) -> None:
    parts = module_of(path).split(".")
    rank = {name: i for i, layer in enumerate(SETTLED_LAYERS) for name in layer}
    if parts[0] != "stratum_client" or len(parts) < 2 or parts[1] not in rank:
        return

    for name in imports(path):
        target = name.split(".")[1:2]
        if name.startswith("stratum_client.") and target[0] in rank:
            assert rank[target[0]] >= rank[parts[1]], f"{parts[1]} must not import {name}"


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=module_of)
def test_init_files_hold_nothing_but_the_version(path: Path) -> None:
    body = ast.parse(path.read_text()).body

    for node in body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        version = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
        assert docstring or version
