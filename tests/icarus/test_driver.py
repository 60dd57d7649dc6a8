"""Who claims a port, which settings are taken, and what is said of the others."""

from random import Random

import pytest

from drivers import registry
from drivers.api import Context, HeatGoals, PortInfo
from drivers.brown_out import SupplySettings
from drivers.errors import SettingError
from drivers.icarus.driver import DRIVERS
from drivers.icarus.models.table import MODELS
from drivers.icarus.settings import IcarusSettings, known_settings, parsed
from drivers.icarus.timing import TimingMode
from drivers.low_yield import YieldSettings
from tests.icarus.rig import RecordingMiner
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

CP2102, FT232H = (0x10C4, 0xEA60), (0x0403, 0x6014)


def port(ids: tuple[int, int], product: str, manufacturer: str = "Silicon Labs") -> PortInfo:
    return PortInfo(
        paths=("/dev/ttyUSB0",),
        vid=ids[0],
        pid=ids[1],
        manufacturer=manufacturer,
        product=product,
    )


def context() -> Context:
    return Context(
        name="x",
        miner=RecordingMiner(),
        clock=LoopClock(),
        random=Random(1),
        log=RecordingLog(),
    )


def claims(one: PortInfo) -> dict[str, int]:
    scores = {name: driver.match(one) for name, driver in DRIVERS.items()}
    return {name: score for name, score in scores.items() if score}


@pytest.mark.parametrize(
    ("ids", "product"),
    [
        (CP2102, "CP2102 USB to UART Bridge Controller"),
        (CP2102, "VoltLink CP2102N USB to UART Bridge"),
        (CP2102, "Compac BM1384 Bitcoin Miner"),
        (CP2102, ""),
        ((0x067B, 0x2303), "USB-Serial Controller"),
        ((0x0403, 0x6001), "FT232R USB UART"),
        (FT232H, "Single RS232-HS"),
    ],
)
def test_a_bridge_that_may_be_in_anything_is_nobodys(ids: tuple[int, int], product: str) -> None:
    assert claims(port(ids, product)) == {}
    assert any(driver.may_be(port(ids, product)) for driver in DRIVERS.values())


@pytest.mark.parametrize(
    ("ids", "product", "claimed"),
    [
        (CP2102, "Block Erupter", {"block-erupter": 50}),
        (CP2102, "ASICMINER Block Erupter Emerald", {"block-erupter": 50}),
        (CP2102, "Antminer", {"antminer-u1": 50, "antminer-u2": 50}),
        (CP2102, "Antminer U1", {"antminer-u1": 60, "antminer-u2": 50}),
        (CP2102, "ANTMINER u2+", {"antminer-u1": 50, "antminer-u2": 60}),
        (FT232H, "Cairnsmore1", {"cairnsmore1": 60}),
        ((0x1209, 0x0001), "Block Erupter", {}),
    ],
)
def test_a_string_that_names_a_device_claims_it(
    ids: tuple[int, int], product: str, claimed: dict[str, int]
) -> None:
    assert claims(port(ids, product)) == claimed


def test_a_port_of_other_ids_may_not_be_one() -> None:
    assert not any(driver.may_be(port((0x1209, 1), "x")) for driver in DRIVERS.values())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_device_needs_exactly_one_port(name: str) -> None:
    with pytest.raises(SettingError, match=f"expected {name}@PORT"):
        DRIVERS[name].open(PortInfo(), {}, context())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_device_has_an_emulated_one(name: str) -> None:
    driver = registry.driver(f"emulated:{name}")

    assert driver.name == f"emulated:{name}"
    assert driver.open(PortInfo(), {}, context()).stats().details["model"] == MODELS[name].title
    with pytest.raises(SettingError, match="there is none"):
        driver.open(PortInfo(paths=("/dev/null",)), {}, context())


def test_an_emulated_device_takes_faults_and_scale() -> None:
    driver = registry.driver("emulated:block-erupter")

    device = driver.open(PortInfo(), {"scale": "1e-6", "drop": "0.1"}, context())

    ticket = device.stats().details["ticket_difficulty"]
    assert isinstance(ticket, float)
    assert 0 < ticket <= 1e-6
    for name, value in (("drop", "2"), ("scale", "2"), ("scale", "nan"), ("ticket", "red")):
        with pytest.raises(SettingError):
            driver.open(PortInfo(), {name: value}, context())


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("block-erupter", {"frequency": 300}, "unknown; allowed are timing"),
        ("antminer-u1", {"frequenzy": 300}, "did you mean frequency"),
        ("antminer-u1", {"frequency": 300}, "must be 100 to 275 MHz, not 300"),
        ("antminer-u1", {"timing": "long"}, "unknown"),
        ("antminer-u3", {"voltage": "0.9"}, "must be 0.725 to 0.85 V, not '0.9'"),
        ("icarus", {"baud_rate": 9600}, "must be 115200 or 57600, not 9600"),
        ("icarus", {"work_division": 3}, "must be 1 or 2 or 4 or 8, not 3"),
        ("icarus", {"work_division": 2, "engines": 3}, "must be 1 to 2, not 3"),
        ("icarus", {"engines": 1.5}, "must be a whole number, not 1.5"),
        ("icarus", {"timing": "fast"}, "must be default, short, long or nanoseconds per hash"),
        ("icarus", {"timing": True}, "must be default, short, long or nanoseconds per hash"),
        ("rbox", {"max_temperature": 200}, "must be 30 to 90 degrees, not 200"),
        ("rbox", {"work_time": 1}, "unknown"),
        ("lancelot", {"scale": 0}, "must be 1e-12 to 1, not 0"),
        ("antminer-u1", {"brown_out": "never"}, "must be auto, on or off, not 'never'"),
        ("antminer-u1", {"brown_out_losses": 1}, "must be 2 to 20, not 1"),
        ("antminer-u3", {"brown_out": "off"}, "unknown"),
        ("icarus", {"low_yield_step": 25}, "unknown"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_can(
    name: str, settings: dict[str, object], told: str
) -> None:
    with pytest.raises(SettingError) as caught:
        DRIVERS[name].open(PortInfo(paths=("/dev/null",)), settings, context())

    assert told in str(caught.value)
    assert caught.value.driver == name


def test_settings_come_as_text_too() -> None:
    settings = {"work_division": "4", "engines": "2", "timing": "2.5", "baud_rate": "57600"}

    assert parsed("icarus", settings, MODELS["icarus"]) == IcarusSettings(
        work_division=4,
        engines=2,
        timing=TimingMode.VALUE,
        seconds_per_hash=2.5 * 1e-9,
        baud_rate=57600,
        yields=YieldSettings(is_on=True),
    )


def test_what_nobody_sets_is_what_the_device_is_made_for() -> None:
    assert parsed("antminer-u3", {}, MODELS["antminer-u3"]) == IcarusSettings(
        frequency=225.0, voltage=0.775, yields=YieldSettings(is_on=True, floor=100.0)
    )
    assert parsed("antminer-u2", {"scale": 0.5}, MODELS["antminer-u2"]) == IcarusSettings(
        frequency=200.0,
        scale=0.5,
        ticket=0.5,
        supply=SupplySettings(is_on=True, floor=100.0),
        yields=YieldSettings(is_on=False, floor=100.0),
    )
    assert parsed("rbox", {}, MODELS["rbox"]).max_temperature == 90.0
    assert parsed("cairnsmore1", {}, MODELS["cairnsmore1"]).frequency is None
    assert "voltage" in known_settings(MODELS["antminer-u3"])


def test_of_the_goals_of_heat_a_model_with_a_sensor_keeps_the_trip() -> None:
    goals = HeatGoals(target=62, throttle=72, trip=80)

    assert DRIVERS["rbox"].with_heat({"frequency": 270}, goals) == {
        "frequency": 270,
        "max_temperature": 80,
    }
    assert DRIVERS["rbox"].with_heat({}, HeatGoals(trip=120)) == {"max_temperature": 90}
    assert DRIVERS["block-erupter"].with_heat({}, goals) == {}
    assert DRIVERS["rbox"].emulated().with_heat({}, goals) == {"max_temperature": 80}
