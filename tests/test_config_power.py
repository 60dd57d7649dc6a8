"""The settings of meters and limits: what is taken, what is refused and why."""

import pytest

from stratum_client.config import Config
from stratum_client.config_file import read_config
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.errors import ConfigError


def read(text: str) -> Config:
    return read_config(text.encode(), name="f.toml", environ={})


def test_a_limit_and_a_meter_are_read_with_their_units() -> None:
    config = read(
        '[power]\nlimit = "1.2kW"\n'
        'meter = { source = "tasmota", url = "http://192.168.1.50", password = "geheim" }\n'
        '[[device]]\ndriver = "cpu"\nlimit = "45W"\n'
        'meter = { source = "shelly", url = "http://plug", interval = "2s" }\n'
    )

    assert config.power == PowerConfig(
        limit=1200.0,
        meter=MeterConfig(source="tasmota", url="http://192.168.1.50", password="geheim"),
    )
    [device] = config.devices
    assert device.limit == 45.0
    assert device.meter == MeterConfig(source="shelly", url="http://plug", interval=2.0)
    assert config.secrets == ("geheim",)
    assert "geheim" not in repr(config)


def test_a_plug_that_speaks_by_itself_may_take_its_time() -> None:
    assert MeterConfig(source="http", url="http://a").every == 1.0
    assert MeterConfig(source="mqtt", topic="a").every == 10.0
    assert MeterConfig(source="mqtt", topic="a", interval=2.0).every == 2.0


@pytest.mark.parametrize(
    ("meter", "problem"),
    [
        ('source = "tasmota"', "tasmota needs the url"),
        ('source = "mqtt"', "mqtt needs a topic"),
        ('source = "mqtt", topic = "a/+/b"', "a topic of one plug has no + or #"),
        ('source = "mqtt", topic = "a", url = "http://b"', "meter.url: a plug of source mqtt"),
        ('source = "http", url = "http://b", topic = "a"', "meter.topic: a plug of source http"),
        ('source = "http", url = "ftp://b"', "expected the address of a plug"),
        ('source = "http", url = "http://u:p@b"', "keys of their own"),
        ('source = "http", url = "http://b:99999"', "expected the address of a plug"),
        ('source = "http", url = "http://b", path = "a..b"', "expected keys with dots"),
        ('source = "http", url = "http://b", highest = "0W"', "expected a power with its unit"),
        ('source = "http", url = "http://b", interval = "10ms"', "expected a time from 200ms"),
    ],
)
def test_a_plug_that_cannot_be_asked_is_refused_with_the_reason(meter: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[power]\nmeter = {{ {meter} }}\n")

    assert problem in str(caught.value)
    assert str(caught.value).startswith("f.toml:2: power.meter")


@pytest.mark.parametrize("limit", ['"1200"', "1200", '"-5W"', '"0W"', '"100MW"', '"1e3W"', "true"])
def test_a_limit_has_a_unit_and_is_some_watts(limit: str) -> None:
    with pytest.raises(ConfigError, match="expected a power with its unit"):
        read(f"[power]\nlimit = {limit}\n")
