import pytest

from stratum_client.config import Config
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError

POOLS = """
[rig]
name = "from-file"
[[pool]]
url = "a.example:1"
user = "alice"
password_env = "UNSET"
[[pool]]
url = "b.example:1"
user = "bob"
[[device]]
driver = "cpu"
"""


def read(text: str, environ: dict[str, str]) -> Config:
    return read_config(text.encode(), name="f.toml", environ=environ)


def test_variables_win_over_the_file() -> None:
    config = read(
        POOLS,
        {
            "SC_RIG_NAME": "1234",
            "SC_LOG_LEVEL": "debug",
            "SC_LOG_LEVELS_POOL": "error",
            "SC_STATE_DIR": "/s",
            "SC_DEADLINES_CONNECT": "2",
            "SC_POOL_1_PASSWORD": "987",
            "SC_POOL_1_DEADLINES_TLS": "3s",
            "SC_POOL_2_PIPELINE": "false",
            "SC_POOL_2_SUGGEST_DIFFICULTY": "0.5",
            "SC_POOL_2_EXTRANONCE_SUBSCRIBE": "on",
            "SC_POOL_2_VERSION_ROLLING_MASK": "00c00000",
            "SC_DEVICE_1_SETTINGS_THREADS": "3",
            "SC_DEVICE_1_SETTINGS_MAX_TEMP": "warm",
            "PATH": "/bin",
        },
    )

    first, second = config.pools
    assert config.rig.name == "1234"
    assert (config.log.level, config.log.levels) == ("debug", {"pool": "error"})
    assert str(config.state_dir) == "/s"
    assert config.deadlines.connect == 2.0
    assert (first.password, first.deadlines.tls, first.deadlines.connect) == ("987", 3.0, 2.0)
    assert (second.pipeline, second.suggest_difficulty) == (False, 0.5)
    assert second.subscribes_extranonce
    assert second.version_rolling_mask == 0x00C00000
    assert config.devices[0].settings == {"threads": 3, "max_temp": "warm"}
    assert not config.warnings


def test_a_password_variable_replaces_every_other_way_to_give_one() -> None:
    environ = {"SC_POOL_1_PASSWORD_ENV": "MINE", "MINE": "hunter2"}

    assert read(POOLS, environ).pools[0].password == "hunter2"


def test_ten_pools_come_from_the_environment_in_the_order_of_their_numbers() -> None:
    environ = {f"SC_POOL_{n}_URL": f"p{n}.example:1" for n in range(1, 12)}
    environ |= {f"SC_POOL_{n}_USER": "u" for n in range(1, 12)}

    assert [pool.name for pool in read("", environ).pools] == [
        f"p{n}.example" for n in range(1, 12)
    ]


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"SC_LOG_LEVEL": "loud"}, 'environment variable SC_LOG_LEVEL: expected "debug" or'),
        ({"SC_LOG_LEVLE": "info"}, "SC_LOG_LEVLE: no such setting, did you mean SC_LOG_LEVEL?"),
        (
            {"SC_POOL_12_PASWORD": "x"},
            "SC_POOL_12_PASWORD: no such setting, did you mean SC_POOL_1_PASSWORD?",
        ),
        ({"SC_POOL_0_USER": "x"}, "SC_POOL_0_USER: no such setting"),
        ({"SC_POOL_USER": "x"}, "SC_POOL_USER: no such setting"),
        ({"SC_POOL_4_URL": "a:1"}, "SC_POOL_4_URL: there is no pool 3: they are counted without"),
        ({"SC_POOL_3_URL": "a:1"}, "environment: pool[3]: user is missing"),
        (
            {"SC_POOL_2_PASSWORD": "x", "SC_POOL_2_PASSWORD_FILE": "y"},
            "SC_POOL_2_PASSWORD_FILE: environment variable SC_POOL_2_PASSWORD is set too",
        ),
        ({"SC_STATE_DRI": "x"}, "SC_STATE_DRI: no such setting, did you mean SC_STATE_DIR?"),
        ({"SC_DEADLINES_CONNECT": "soon"}, "SC_DEADLINES_CONNECT: expected a time from"),
        ({"SC_POOL_2_USER": "\udcff"}, "SC_POOL_2_USER: expected the name of an account"),
        ({"SC_POOL_2_PIPELINE": "yes"}, "SC_POOL_2_PIPELINE: expected true or false"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(POOLS.replace('"UNSET"', '"PATH"'), environ | {"PATH": "p"})

    assert error in str(caught.value)


def test_variables_of_other_programs_are_a_warning() -> None:
    config = read("", {"SC_HOST": "x", "SC_POOLS_1_URL": "a:1", "SCREEN": "y"})

    assert config.warnings == (
        "environment variable SC_HOST: no such setting",
        "environment variable SC_POOLS_1_URL: no such setting, did you mean SC_POOL_1_URL?",
    )


def test_what_belongs_to_no_pool_or_device_is_a_warning() -> None:
    environ = {"SC_POOL_3_PASSWORD": "x", "SC_DEVICE_2_SETTINGS_DRIVER": "x"}

    config = read(POOLS.replace('"UNSET"', '"PATH"'), environ | {"PATH": "p"})

    assert config.warnings == (
        "environment variable SC_DEVICE_2_SETTINGS_DRIVER: there is no device 2",
        "environment variable SC_POOL_3_PASSWORD: there is no pool 3",
    )


@pytest.mark.parametrize("text", ["pool = 5", "pool = [5]", "[pool]", "log = 1", "log.levels = 1"])
def test_a_file_built_wrongly_is_reported_as_such_whatever_the_environment_says(text: str) -> None:
    environ = {"SC_POOL_1_USER": "x", "SC_LOG_LEVELS_POOL": "info", "SC_LOG_LEVEL": "info"}

    with pytest.raises(ConfigError, match=r"f\.toml:1"):
        read(text, environ)
