"""What of a rig's settings is in the header of a recording, and what a replay takes from it."""

from stratum_client.config import Config, PoolConfig
from stratum_client.config_metrics import MetricsConfig
from stratum_client.config_schedule import ScheduleConfig
from stratum_client.config_work import WorkConfig
from stratum_client.pool_url import parse_pool_url
from stratum_client.recording.masking import Masker
from stratum_client.recording.recorded_config import config_of, recorded_config
from stratum_client.setting_kinds import settings_of

URL = parse_pool_url("stratum+tcp://pool.example:3333")


def test_only_what_decides_how_to_talk_to_pools_is_recorded() -> None:
    config = Config(pools=(PoolConfig(url=URL, user="someone.rig"),))

    recorded = recorded_config(config, Masker(salt=b"salt", keep_users=True))

    assert set(recorded) <= {"schema", "work", "deadlines", "pool"}
    assert len(settings_of(Config)) > len(recorded), "there are more sections than that"


def test_windows_and_calendars_play_no_part_in_a_replay() -> None:
    config = config_of(
        {
            "window": [{"days": "mon", "mode": "full"}],
            "calendar": [{"mode": "idle"}],
            "schedule": {"trust_clock": True},
        }
    )

    assert (config.windows, config.calendars, config.schedule) == ((), (), ScheduleConfig())


def test_a_replay_listens_nowhere_whatever_a_recording_says() -> None:
    config = config_of({"metrics": {"listen": "0.0.0.0:9332"}, "work": {"failback_after": 60.0}})

    assert config.metrics == MetricsConfig()
    assert config.work == WorkConfig(failback_after=60.0)
