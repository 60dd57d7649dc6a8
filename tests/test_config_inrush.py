"""How a rig starts, as the configuration says it: what follows, and what cannot be."""

import pytest

from stratum_client.config import Config
from stratum_client.config_file import read_config
from stratum_client.config_inrush import InrushConfig
from stratum_client.control.start_slots import slot_by_name
from stratum_client.errors import ConfigError


def read(inrush: str, environ: dict[str, str] | None = None) -> Config:
    text = f'[rig]\nname = "c04-r17"\n[power]\ninrush = {{ {inrush} }}\n'
    return read_config(text.encode(), name="f", environ=environ or {})


def settings(inrush: str) -> InrushConfig:
    found = read(inrush).power.inrush
    assert found
    return found


SITE = 'site_limit = "2MW/min", rigs = 1000, rig_power = "3.4kW"'


def test_without_inrush_nothing_is_asked_for() -> None:
    assert read_config(b"", name="f", environ={}).power.inrush is None


def test_slots_are_as_many_and_as_long_as_they_are_said_to_be() -> None:
    found = settings('start_slots = 600, slot = "1s", ramp = "4m", min_off = "2m"')

    rules = found.rules("c04-r17")

    assert (rules.slots.count, rules.slots.length) == (600, 1.0)
    assert rules.slots.own == slot_by_name("c04-r17", 600)
    assert (rules.min_off, rules.wait, found.ramp) == (120.0, (0.0, 0.0), 240.0)


def test_slots_follow_from_the_limit_of_the_site() -> None:
    rules = settings(f'{SITE}, index = 17, after_power_loss = "10s-5m"').rules("any")

    # 588 rigs of 3.4 kW rise in a minute; a second of it is for clocks that differ.
    assert rules.slots.count == 1000
    assert rules.slots.own == 17
    assert rules.slots.length == pytest.approx(61 / 588)
    assert rules.wait == (10.0, 300.0)


def test_rigs_without_an_index_get_longer_slots() -> None:
    by_name = settings(SITE).rules("c04-r17").slots
    by_index = settings(f"{SITE}, index = 17").rules("c04-r17").slots

    assert by_index.length < by_name.length < 1.5 * by_index.length


def test_the_index_may_come_from_the_environment() -> None:
    found = read(SITE, {"SC_POWER_INRUSH_INDEX": "999"}).power.inrush

    assert found
    assert found.index == 999


def test_one_time_after_a_loss_of_power_is_the_longest() -> None:
    assert settings('after_power_loss = "5m"').after_power_loss == (0.0, 300.0)


@pytest.mark.parametrize(
    ("inrush", "key", "problem"),
    [
        ('site_limit = "2MW/min"', "site_limit", "needs rigs and rig_power"),
        ('rig_power = "3.4kW"', "rig_power", "is for site_limit alone"),
        ("index = 3", "index", "needs start_slots, or rigs"),
        ('slot = "1s"', "slot", "needs start_slots, or rigs"),
        (f"{SITE}, index = 1000", "index", "of 1000 rigs the last one has 999"),
        (f'{SITE}, index = 1, slot = "50ms"', "slot", "site_limit needs 0.104s"),
        ('site_limit = "2kW/min", rigs = 9, rig_power = "3.4kW", index = 1', "site_limit", "102 s"),
        ('site_limit = "9kW/min", rigs = 9, rig_power = "3.4kW"', "site_limit", "an index"),
        ('start_slots = 100000, slot = "1s"', "start_slots", "only after 28 hours"),
        ('site_limit = "2MW"', "site_limit", 'as in "2MW/min"'),
        ('site_limit = "2MW/h"', "site_limit", 'as in "2MW/min"'),
        ('site_limit = "0MW/min"', "site_limit", 'as in "2MW/min"'),
        ('after_power_loss = "5m-1m"', "after_power_loss", 'as in "0s-5m"'),
        ('after_power_loss = "-5m"', "after_power_loss", 'as in "0s-5m"'),
        ('after_power_loss = "2d"', "after_power_loss", 'as in "0s-5m"'),
        ("min_off = 2000000", "min_off", "a time"),
        ("start_slots = 0", "start_slots", "a whole number from 1"),
        ('slots = "1s"', "slots", 'did you mean "slot"'),
    ],
)
def test_what_cannot_be_is_told_with_its_line(inrush: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(inrush)

    assert f"power.inrush.{key}" in str(refused.value)
    assert problem in str(refused.value)
    assert "f:4" in str(refused.value)
