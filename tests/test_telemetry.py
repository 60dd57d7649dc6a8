"""What a rig tells its site: numbers in few bytes, and events with who and when."""

import asyncio
import json
import os
import pwd
from pathlib import Path

from drivers.api import DeviceState, DeviceStats
from stratum_client.config_watch import FILE_NAME, ConfigWatch
from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.control.power import Source
from stratum_client.job import Fate
from stratum_client.state_file import StateFile
from stratum_client.stats import Metered, NamedDevice, RigStats, ShareCounts
from stratum_client.telemetry import LARGEST, TOLD, Events, telemetry_of
from tests.brokers import broker, site_at
from tests.stand_ins import ManualClock, RecordingLog
from tests.test_broker_desk import OURS, mqtt_at, rig_with, running

SOURCES = Path(__file__).parent.parent / "stratum_client"


def rig_that_says_much(reason: str) -> RigStats:
    counts = ShareCounts(
        fates=dict.fromkeys(Fate, 123_456_789),
        solutions=1,
        blocks=0,
        best_difficulty=1.0,
        proven_hashrate=1.0,
        recent_hashrate=123_456_789_012_345.6,
        credited_hashrate=123_451_789_012_345.6,
        uncertainty=0.1,
    )
    stats = DeviceStats(
        state=DeviceState.MINING,
        claimed_hashrate=987_654_321_012_345.6,
        temperature=101.25,
        hardware_errors=12_345,
    )
    device = NamedDevice(name="a", driver="b", stats=stats, counts=counts)
    cold = NamedDevice(
        name="c", driver="b", stats=DeviceStats(state=DeviceState.IDLE), counts=counts
    )
    claim = Claim(level=Level.ORDER, issuer="i", limit=IDLE, cause=reason, since=0.0)
    power = Metered(watts=123_456.78, source=Source.DRIVER, age=1.0)
    return RigStats(
        uptime=123_456_789.5,
        counts=counts,
        pools=(),
        devices=(device, cold),
        claims=(claim,),
        power=power,
    )


def test_numbers_are_few_bytes_however_much_there_is_to_say() -> None:
    said = telemetry_of(rig_that_says_much("ordered by the grid " + "ä" * 300), 1_750_000_000.9)

    assert len(said) < LARGEST
    found = json.loads(said)
    assert found.pop("limit").startswith("ord")
    assert found == {
        "at": 1_750_000_000,
        "up": 123_456_789,
        "accepted": 123_456_789,
        "rejected": 123_456_789,
        "stale": 123_456_789,
        "errors": 12_345,
        "claimed": 9.877e14,
        "proven": 1.235e14,
        "credited": 1.235e14,
        "watts": 123_456.8,
        "source": "driver",
        "celsius": 101.2,
        "mining": 1,
        "devices": 2,
    }


def test_a_rig_tells_its_numbers_and_who_changes_what(tmp_path: Path) -> None:
    async def told() -> tuple[object, object, float]:
        (tmp_path / "state").mkdir()
        async with broker(tmp_path) as port, site_at(port) as site:
            config = rig_with(mqtt_at(port, telemetry=1.0))
            async with running(config, tmp_path / "state") as rig:
                numbers = await site.hears(lambda topic, _: topic == f"{OURS}/telemetry")
                await rig.reload(mqtt=mqtt_at(port, telemetry=None))
                event = await site.hears(lambda topic, _: topic == f"{OURS}/event")
                return json.loads(numbers), json.loads(event), rig.broker.telemetry or 0.0

    numbers, event, every = asyncio.run(told())
    assert isinstance(numbers, dict)
    assert numbers["devices"] == 1
    assert isinstance(event, dict)
    assert (event["event"], event["rig"], event["by"]) == ("reload.done", "r17", "a test")
    assert event["at"] > 1_700_000_000
    assert every == 0.0


class HearingBroker:
    """Keeps what is published."""

    topic, is_connected, telemetry = "mine/kent/rig/r17", True, 10.0

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        assert qos == 1, "it waits for a broker that is away"
        self.said.append((topic, json.loads(payload)))


def test_what_comes_goes_or_is_changed_is_an_event_and_all_else_a_line_of_the_log() -> None:
    clock, log, there = ManualClock(), RecordingLog(), HearingBroker()
    events = Events("r17", clock)
    devices, device = events.heard_in(log, "devices"), events.heard_in(log, "device")
    devices.warning("device.unplugged", device="early", port="x")
    events.broker = there

    devices.warning("device.unplugged", device="a", port="/dev/ttyUSB0")
    devices.error("driver.unusable", error="no such thing")
    events.heard_in(log, "control").info("pool.added", pool="b", by="user miner")

    assert device is log, "what devices say all day long is not looked at"
    assert len(log.events) == 4
    about = {"rig": "r17", "at": round(clock.wall(), 3)}
    assert there.said == [
        (
            f"{there.topic}/event",
            {"event": "device.unplugged", **about, "device": "a", "port": "/dev/ttyUSB0"},
        ),
        (
            f"{there.topic}/event",
            {"event": "pool.added", **about, "pool": "b", "by": "user miner"},
        ),
    ]


def test_every_event_that_is_told_is_one_of_the_log() -> None:
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py") if path.stem != "telemetry")
    assert [event for event in sorted(TOLD) if f'"{event}"' not in text] == []


async def test_a_file_that_was_changed_behind_our_back_is_told_of_once(tmp_path: Path) -> None:
    path, kept, log = tmp_path / "rig.toml", StateFile(tmp_path / FILE_NAME), RecordingLog()
    path.write_text("schema = 1\n")
    await ConfigWatch(path, kept, log).look()
    assert log.events == [], "the first time it is as it is"

    path.write_text("schema = 1  # and more\n")
    os.utime(path, (1_750_000_000, 1_750_000_000))
    for _ in range(2):
        watch = ConfigWatch(path, kept, log)
        await watch.look()
    [told] = log.named("config.changed")
    assert told["path"] == str(path)
    assert told["written"] == "2025-06-15 15:06:40 UTC"
    assert told["owner"] == pwd.getpwuid(os.getuid()).pw_name

    path.unlink()
    await watch.look()
    assert log.named("config.changed")[1]["reason"] == "the file cannot be read any more"
    (tmp_path / FILE_NAME).write_bytes(b"\xff[")
    path.write_text("schema = 1\n")
    await ConfigWatch(path, kept, log).look()
    assert len(log.named("config.changed")) == 2, "a record that is damaged says nothing"


async def test_a_disk_that_keeps_nothing_makes_no_second_telling(tmp_path: Path) -> None:
    path, log = tmp_path / "rig.toml", RecordingLog()
    path.write_text("a")
    watch = ConfigWatch(path, StateFile(tmp_path / "gone" / FILE_NAME), log)
    await watch.look()
    path.write_text("b")
    await watch.look()
    await watch.look()

    assert len(log.named("config.changed")) == 1
