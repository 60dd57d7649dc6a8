"""One configuration that says all a large site wants to say, and what comes of its parts."""

from collections.abc import Mapping
from random import Random

import pytest

from drivers.api import HeatGoals, PortInfo
from stratum_client.clock import SystemClock
from stratum_client.config import Config, Deadlines
from stratum_client.config_file import read_config
from stratum_client.daemon_context import DaemonContext
from stratum_client.errors import ConfigError
from stratum_client.rig import Rig
from stratum_client.rims import PlainRims
from tests.stand_ins import RecordingLog

SITE = """
schema = 1
[rig]
name = "c04-r17"
site = "ekibastuz"
timezone = "Asia/Almaty"

[work]
strategy = "failover"
failback_after = "5m"
silent_after = "auto"
no_pool_action = "idle"

[[pool]]
name = "main"
url = "stratum+ssl://pool.example.com:3334"
user = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa.{rig}"
password_env = "MAIN"
tls = { verify = "system", pin_sha256 = [] }
payout = { address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", min_percent = 97, on_mismatch = "alert" }
reconnect = { allow = "same-domain" }

[[device]]
match = { board = "compac-a2" }
frequency = "auto"
max_temp = 75

[tuning]
goal = "power"
power_target = "30W"

[thermal]
target = 62
throttle = 72
trip = 80
sensor_lost = "trip"

[power]
meter = { source = "mqtt", topic = "tele/plug17/SENSOR", path = "ENERGY.Power" }
limit = "1200W"
inrush = { start_slots = 600, slot = "1s", ramp = "4m", min_off = "2m" }

[[window]]
days = ["mon", "tue", "wed", "thu", "fri"]
hours = "00:00-08:00"
mode = "full"
[[window]]
days = ["sat", "sun"]
hours = "00:00-24:00"
mode = "full"
[schedule]
outside = "idle"
lead = "90s"
lag = "30s"

[[tariff]]
hours = "23:00-07:00"
price = 11.20
currency = "KZT"

[curtail]
sources = ["mqtt", "api", "gpio"]
deadline = "3s"
on_signal_lost = "hold-until-expiry"

[api]
listen = "127.0.0.1:4048"
cgminer = { listen = "127.0.0.1:4028", allow = ["R:127.0.0.1"] }
[metrics]
listen = "127.0.0.1:9332"
[security]
lock_pools = true
"""


def read(text: str) -> Config:
    return read_config(text.encode(), name="f.toml", environ={"MAIN": "secret"})


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_a_site_says_all_of_it_in_one_file() -> None:
    config = read(SITE)

    assert config.mqtt.site == "ekibastuz"
    assert config.deadlines == Deadlines()
    assert config.curtail.sources == ("mqtt", "api", "contact")
    assert config.thermal.goals == HeatGoals(target=62, throttle=72, trip=80)
    assert config.devices[0].driver_settings == {"max_temperature": 75}
    assert config.security.lock_pools


def test_what_a_file_wants_in_vain_is_told_with_its_line() -> None:
    config = read(SITE + '[[device]]\ndriver = "cpu"\nmeter = { source = "mqtt", topic = "a" }')

    line = {key: number for number, key in enumerate(SITE.split("\n"), 1)}
    [plug] = [number for text, number in line.items() if text.startswith("meter = ")]
    [cgminer] = [number for text, number in line.items() if text.startswith("cgminer = ")]
    deaf = "no effect: nobody hears the plug: without mqtt.url there is no broker"
    unserved = "no effect: this version does not serve it; orders go over the control socket"
    assert config.warnings == (
        f"f.toml:{plug}: power.meter.source: {deaf}",
        f"f.toml:{SITE.count(chr(10)) + 3}: device[2].meter.source: {deaf}",
        f"f.toml:{cgminer - 1}: api.listen: {unserved}",
        f"f.toml:{cgminer}: api.cgminer.listen: {unserved}",
    )


def test_a_site_of_the_broker_comes_before_that_of_the_rig() -> None:
    assert read('[rig]\nsite = "kent"\n[mqtt]\nsite = "kent-2"').mqtt.site == "kent-2"
    assert read('[rig]\nsite = "kent"').mqtt.site == "kent"
    assert read("").mqtt.site == "site"


def test_the_time_after_which_silence_is_death_is_that_of_all_pools_without_their_own() -> None:
    pool = '[[pool]]\nurl = "a.example:1"\nuser = "b"\n'
    own = 'deadlines = { silence = "3m" }\n'
    config = read(f'[work]\nsilent_after = "45s"\n{pool}{pool}{own}')

    first, second = (one.deadlines for one in config.pools)
    assert (config.deadlines.silence, config.deadlines.silence_cap) == (45.0, 45.0)
    assert (first.silence, first.silence_cap) == (45.0, 45.0)
    assert (second.silence, second.silence_cap) == (180.0, 600.0)
    both = read('[work]\nsilent_after = "45s"\n[deadlines]\nsilence = "2m"')
    assert both.deadlines == Deadlines(silence=120.0)
    assert "work.silent_after: expected a time" in refusal('[work]\nsilent_after = "soon"')


def test_the_keys_of_a_device_are_settings_of_its_driver_and_said_once() -> None:
    device = '[[device]]\ndriver = "bitaxe-gamma"\n'
    [one] = read(f"{device}frequency = 500\nsettings = {{ fan = 60 }}").devices

    assert one.driver_settings == {"fan": 60, "frequency": 500}
    assert one.settings == {"fan": 60}
    [spelt] = read(f'{device}frequency = "487.5 MHz"').devices
    assert spelt.driver_settings == {"frequency": 487.5}
    assert 'expected "auto" or a number' in refusal(f'{device}frequency = "5GHz"')
    assert 'expected "auto" or a number' in refusal(f'{device}frequency = "0MHz"')
    twice = refusal(f"{device}frequency = 500\nsettings = {{ frequency = 400 }}")
    assert "device[1].frequency: stands under settings too" in twice
    hot = refusal(f"{device}max_temp = 70\nsettings = {{ max_temperature = 60 }}")
    assert "device[1].max_temp: stands under settings too, as max_temperature" in hot


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("throttle = 80\ntrip = 70", "thermal.trip: 70 degrees are not above throttle, 80"),
        ("target = 75\ntrip = 70", "thermal.trip: 70 degrees are not above target, 75"),
        ("target = 200", "thermal.target: expected a number from 20 to 120"),
        ('sensor_lost = "ignore"', 'thermal.sensor_lost: expected "trip"'),
    ],
)
def test_limits_of_heat_that_cannot_be_are_refused(text: str, problem: str) -> None:
    assert problem in refusal(f"[thermal]\n{text}\n")


class NotingRims(PlainRims):
    """Notes the settings with which devices are opened."""

    def __init__(self) -> None:
        self.opened: dict[str, dict[str, object]] = {}

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        self.opened[device] = dict(settings)


def test_boards_hear_of_the_heat_that_is_wanted_and_others_do_not() -> None:
    text = "[thermal]\ntarget = 55\nthrottle = 65\ntrip = 90\n"
    for name, driver in (("board", "emulated:bitaxe-gamma"), ("stick", "emulated:compac-f")):
        text += f'[[device]]\nname = "{name}"\ndriver = "{driver}"\nfrequency = 400\n'
    rims = NotingRims()
    context = DaemonContext(
        clock=SystemClock(),
        random=Random(1),
        log_for=lambda _: RecordingLog(),
        rims=rims,
        state_dir=None,
    )

    Rig(read(text), context, found=None, give_up=lambda: None)

    assert rims.opened["stick"] == {"frequency": 400}
    assert rims.opened["board"] == {
        "frequency": 400,
        "target_temperature": 55,
        "throttle_temperature": 65,
        "max_temperature": 75,
    }
