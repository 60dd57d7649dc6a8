"""A recording of a rig with operating windows is read like any other."""

from stratum_client.config_schedule import ScheduleConfig
from stratum_client.recording.recorded_config import config_of


def test_windows_and_calendars_play_no_part_in_a_replay() -> None:
    config = config_of(
        {
            "window": [{"days": "mon", "mode": "full"}],
            "calendar": [{"mode": "idle"}],
            "schedule": {"trust_clock": True},
        }
    )

    assert (config.windows, config.calendars, config.schedule) == ((), (), ScheduleConfig())
