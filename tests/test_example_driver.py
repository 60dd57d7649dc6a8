"""The example of docs/drivers.md: installed as a stranger would, found, mined with, and kept in its
place.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers import registry
from drivers.api import Context, Identifiable, Miner, PortInfo, Solution, Work
from drivers.errors import SettingError
from drivers.header import target_of
from drivers.transports.base import OnData, OnLost, Transport
from drivers.transports.loopback import Loopback
from drivers.transports.pty import PseudoTerminal
from stratum_client.clock import SystemClock
from tests.driver_contract import ContractMiner, DriverContract, Plugged
from tests.stand_ins import RecordingLog

PROJECT = Path(__file__).parent / "example_driver"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that pip has installed the example into."""
    pytest.importorskip("setuptools", minversion="77", reason="the build back end is missing")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    shutil.copytree(PROJECT, source, dirs_exist_ok=True)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    return site


@pytest.fixture
def known(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the installed example importable in this process."""
    monkeypatch.syspath_prepend(str(installed))
    registry.forget()
    yield
    registry.forget()
    sys.modules.pop("acme_stick", None)


def said(site: Path, home: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line where ``site`` is installed; return exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "stratum_client", *arguments],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_listed_with_what_it_is_for(installed: Path, tmp_path: Path) -> None:
    code, out, err = said(installed, tmp_path, "devices", "--supported", "--json")

    [row] = [row for row in json.loads(out)["drivers"] if row["name"] == "acme-stick"]
    assert (code, err) == (0, "")
    assert row == {
        "name": "acme-stick",
        "kind": "board",
        "chips": "1 x ACME1",
        "ports": 1,
        "driver": "acme",
        "emulated": True,
        "problem": None,
    }


def test_it_mines_at_the_embedded_pool(installed: Path, tmp_path: Path) -> None:
    words = ("--device", "emulated:acme-stick", "--for", "6s", "--json")
    code, out, err = said(installed, tmp_path, "demo", *words)

    summary = json.loads(out.splitlines()[-1])
    assert code == 0, err
    assert summary["accepted"] > 0
    assert summary["rejected"] == summary["hardware_errors"] == 0
    [device] = summary["devices"]
    assert device["driver"] == "emulated:acme-stick"


@pytest.mark.usefixtures("known")
def test_its_port_is_known_by_the_ids() -> None:
    best = registry.best_match(PortInfo(paths=("/dev/ttyACM0",), vid=0xACE, pid=1))

    assert best is not None
    assert best[0].name == "acme-stick"
    assert registry.best_match(PortInfo(paths=("/dev/ttyACM0",), vid=0xACE, pid=2)) is None


class OneWork:
    """A miner that has one header, always."""

    def __init__(self) -> None:
        self.work = Work(
            version=0x20000000,
            version_mask=0,
            prev_hash=bytes(32),
            merkle_root=bytes(range(32)),
            ntime=1_750_000_000,
            nbits=0x1D00FFFF,
            target=target_of(64 / 2**32),
        )
        self.solutions: asyncio.Queue[Solution] = asyncio.Queue()

    def next_work(self) -> Work:
        return self.work

    def found(self, solution: Solution) -> float:
        self.solutions.put_nowait(solution)
        return 1.0


def context_of(miner: Miner) -> Context:
    return Context(
        name="acme", miner=miner, clock=SystemClock(), random=Random(1), log=RecordingLog()
    )


@pytest.mark.usefixtures("known")
async def test_it_mines_blinks_and_rests_on_a_serial_port() -> None:
    import acme_stick  # type: ignore[import-not-found]  # noqa: PLC0415 - only there by now

    stick: Any = acme_stick.EmulatedStick()
    changed = asyncio.Event()

    def received(data: bytes) -> None:
        stick.receive_data(data)
        port.write(stick.work(1000))
        changed.set()

    port, miner = PseudoTerminal(on_data=received), OneWork()
    driver = registry.driver("acme-stick")
    device = driver.open(PortInfo(paths=(port.path,)), {}, context_of(miner))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(device.run())
        solution = await miner.solutions.get()
        assert isinstance(device, Identifiable)
        device.identify()
        while not stick.blinks:
            changed.clear()
            await changed.wait()
        running.cancel()
    port.close()

    assert solution.hash() <= miner.work.target
    assert device.stats().hardware_errors == 0


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("name", "paths", "settings"),
    [
        ("acme-stick", ("/dev/ttyACM0",), {"speed": 5}),
        ("acme-stick", (), {}),
        ("emulated:acme-stick", ("/dev/ttyACM0",), {}),
    ],
)
def test_it_refuses_what_it_cannot_take(
    name: str, paths: tuple[str, ...], settings: dict[str, object]
) -> None:
    with pytest.raises(SettingError):
        registry.driver(name).open(PortInfo(paths=paths), settings, context_of(OneWork()))


@pytest.mark.usefixtures("known")
@pytest.mark.virtual_time
class TestContract(DriverContract):
    """The suite that any driver can run, on the example with its stick emulated."""

    target = 1 << (256 - 9)

    def plug(self, miner: ContractMiner) -> Plugged:
        import acme_stick  # noqa: PLC0415 - only there by now

        loop, stick = asyncio.get_running_loop(), acme_stick.EmulatedStick()
        link = Loopback("acme", on_data=stick.receive_data)

        def tick() -> None:
            link.write(stick.work(200))
            loop.call_later(0.01, tick)

        async def connect(on_data: OnData, on_lost: OnLost) -> Transport:
            return link.open(on_data=on_data, on_lost=on_lost)

        tick()
        device = acme_stick.AcmeDevice(connect, context_of(miner))
        return Plugged(device=device, miner=miner, unplug=link.unplug, replug=link.replug)


# --- kept in its place ---


def changed_copy(installed: Path, site: Path, file: str, before: str, after: str) -> Path:
    """Return a copy of an installation with a text replaced in one of its files."""
    shutil.copytree(installed, site)
    [path] = site.glob(file)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return site


def test_it_cannot_replace_a_built_in(installed: Path, tmp_path: Path) -> None:
    entry = "acme_stick-1.0.dist-info/entry_points.txt"
    site = changed_copy(installed, tmp_path / "site", entry, "acme-stick =", "bitaxe-gamma =")

    code, _, err = said(site, tmp_path, "devices")

    assert code == 2
    assert "driver name 'bitaxe-gamma' is claimed by the built-in" in err
    assert "acme_stick:DRIVER of package acme-stick" in err
    # Who asks for a built-in by name gets the built-in.
    code, out, _ = said(
        site, tmp_path, "demo", "--device", "cpu,threads=1", "--for", "1s", "--json"
    )
    assert code == 0
    assert json.loads(out.splitlines()[-1])["devices"][0]["driver"] == "cpu"


def test_a_broken_one_is_reported_and_skipped(installed: Path, tmp_path: Path) -> None:
    line = "DRIVER = AcmeDriver()"
    site = changed_copy(installed, tmp_path / "site", "acme_stick.py", line, "import no_such_thing")

    code, out, err = said(site, tmp_path, "devices", "--json")
    assert (code, err) == (0, "")
    [problem] = json.loads(out)["problems"]
    assert "'acme-stick' (acme_stick:DRIVER) cannot be used: ModuleNotFoundError" in problem

    words = ("--pool", "stratum+tcp://127.0.0.1:1", "--user", "x", "--device", "acme-stick@/dev/x")
    code, _, err = said(site, tmp_path, "run", *words)
    assert code == 2
    assert "device acme-stick: driver 'acme-stick'" in err
