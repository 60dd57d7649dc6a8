"""What [tuning] takes, and what it means for one board."""

from zoneinfo import ZoneInfo

import pytest

from stratum_client.config_file import read_config
from stratum_client.config_tuning import TuningConfig
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_profile import TuningSettings
from stratum_client.errors import ConfigError

POOL = '[[pool]]\nurl = "stratum+tcp://pool.example:3333"\nuser = "a"\n'
SIX_IN_THE_EVENING = 1_750_010_400.0  # Sunday 15 June 2025, 18:00 UTC


def tuning(text: str) -> TuningConfig:
    return read_config(f"{POOL}[tuning]\n{text}\n".encode(), name="rig.toml", environ={}).tuning


def test_boards_are_left_alone_unless_somebody_wants_otherwise() -> None:
    assert tuning("").settings() == TuningSettings(goal=Goal.OFF, step=12.5, error_limit=0.02)


def test_all_of_it_can_be_said() -> None:
    found = tuning(
        'goal = "power"\npower_target = "30W"\nstep = 25\nerror_limit = "1.5%"\nmin = 400\n'
        'max = 600\nsettle = "2m"\nquiet_hours = "22:00-06:00"'
    )

    assert found.quiet_hours == (22 * 60, 6 * 60)
    assert found.settings() == TuningSettings(
        goal=Goal.POWER,
        power_target=30.0,
        step=25,
        error_limit=0.015,
        low=400,
        high=600,
        settle=120.0,
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('goal = "power"', "power_target"),
        ("min = 600\nmax = 400", "600"),
        ('error_limit = "0%"', "share"),
        ('error_limit = "60%"', "share"),
        ("error_limit = 0.02", "share"),
        ('power_target = "30"', "power"),
        ('goal = "fast"', "hashrate"),
        ("step = 0", "number"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        tuning(text)


@pytest.mark.parametrize(
    ("hours", "zone", "quiet"),
    [
        ("22:00-06:00", "UTC", False),
        ("22:00-06:00", "Asia/Almaty", True),  # 23:00 there
        ("18:00-19:00", "UTC", True),
        ("17:00-18:00", "UTC", False),
        ("00:00-24:00", "UTC", True),
    ],
)
def test_quiet_hours_are_those_of_the_rig(hours: str, zone: str, *, quiet: bool) -> None:
    found = tuning(f'quiet_hours = "{hours}"')

    assert found.is_quiet(SIX_IN_THE_EVENING, ZoneInfo(zone)) is quiet
    assert not TuningConfig().is_quiet(SIX_IN_THE_EVENING, ZoneInfo(zone))
