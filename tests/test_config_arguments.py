from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import Config, Deadlines, DeviceConfig, RigConfig
from stratum_client.config_arguments import PoolArguments, parse_device, with_arguments
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError

FILE = b"""
[rig]
name = "c04"
[deadlines]
connect = "3s"
[[pool]]
url = "file.example:1"
user = "filed"
password = "of-the-file"
[[device]]
driver = "cpu"
settings = { threads = 1 }
"""
FROM_FILE = read_config(FILE, name="f.toml", environ={})


def test_without_arguments_the_file_stands() -> None:
    assert with_arguments(FROM_FILE, environ={}) == FROM_FILE


def test_pools_of_the_command_line_replace_those_of_the_file() -> None:
    config = with_arguments(
        FROM_FILE,
        pools=[
            PoolArguments(url="a.example:1", user="alice.{rig}", password="pw"),
            PoolArguments(url="a.example:2#xnsub", user="bob"),
        ],
        environ={},
    )

    first, second = config.pools
    assert (first.name, first.user, first.password) == ("a.example", "alice.c04", "pw")
    assert (second.name, second.user, second.password) == ("a.example-2", "bob", "x")
    assert second.subscribes_extranonce
    assert first.deadlines == second.deadlines == Deadlines(connect=3.0)
    assert config.devices == FROM_FILE.devices


def test_devices_of_the_command_line_replace_those_of_the_file() -> None:
    devices = [parse_device("cpu,threads=2"), parse_device("cpu"), parse_device("bm1370@/dev/x")]

    config = with_arguments(FROM_FILE, devices=devices, environ={})

    assert [device.name for device in config.devices] == ["cpu", "cpu-2", "bm1370"]
    assert config.pools == FROM_FILE.pools


def test_no_file_is_needed() -> None:
    config = with_arguments(None, pools=[PoolArguments(url="a:1", user="bob")], environ={})

    assert [pool.user for pool in config.pools] == ["bob"]


def test_the_environment_says_what_the_command_line_leaves_open() -> None:
    environ = {
        "SC_POOL_1_PASSWORD": "one",
        "SC_POOL_2_PASSWORD_ENV": "TWO",
        "TWO": "two",
        "SC_POOL_1_USER": "ignored",
        "SC_POOL_1_PIPELINE": "false",
        "SC_POOL_3_USER": "no such pool here",
    }
    pools = [
        PoolArguments(url="a:1", user="alice"),
        PoolArguments(url="b:1", user="bob", password="given"),
    ]

    first, second = with_arguments(None, pools=pools, environ=environ).pools

    assert (first.user, first.password, first.pipeline) == ("alice", "one", False)
    assert second.password == "given"


def test_a_password_in_the_environment_needs_no_file() -> None:
    environ = {"SC_POOL_1_PASSWORD": "hunter2", "SC_POOL_2_PASSWORD": "unused"}
    alone = read_config(b"", name="f.toml", environ=environ)

    config = with_arguments(alone, pools=[PoolArguments(url="a:1", user="alice")], environ=environ)

    assert config.pools[0].password == "hunter2"
    assert config.warnings == ("environment variable SC_POOL_2_PASSWORD: there is no pool 2",)


def test_a_password_file_of_the_command_line_starts_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").chmod(0o644)

    pools = [PoolArguments(url="a:1", user="a", password_file="secret")]
    config = with_arguments(Config(warnings=("earlier",)), pools=pools, environ={})

    assert config.pools[0].password == "hunter2"
    assert [warning.split()[0] for warning in config.warnings] == ["earlier", "secret"]


@pytest.mark.parametrize(
    ("pools", "error"),
    [
        ([PoolArguments(url="a:1")], "--pool: pool[1]: user is missing"),
        ([PoolArguments(url="a", user="a")], "--pool: the port is missing"),
        (
            [PoolArguments(url="bob:hunter2@a:1", user="a")],
            "--pool: user and password do not belong into the address",
        ),
        (
            [PoolArguments(url="a:1", user="bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhx")],
            '--user: "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhx" looks like a Bitcoin address',
        ),
        (
            [PoolArguments(url="a:1", user="a"), PoolArguments(url="b:1", user="a.{x}")],
            '--user of pool 2: "{x}" means nothing here',
        ),
        (
            [PoolArguments(url="a:1", user="a", password_file="/absent")],
            "--password-file: cannot read /absent: No such file",
        ),
        (
            [PoolArguments(url="a:1", user="a", password="hunter2", password_file="/absent")],
            "--password-file: password is given twice",
        ),
        (
            [PoolArguments(url="a:1", user="a", password="hunter2\n")],
            "--password: expected a text of up to 256",
        ),
    ],
)
def test_an_error_names_the_option_and_no_password(pools: list[PoolArguments], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_arguments(None, pools=pools, environ={})

    assert error in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr([pools[-1].user, pools[-1].password_file, caught.value])


def test_the_arguments_of_a_pool_do_not_show_their_password() -> None:
    assert "hunter2" not in repr(PoolArguments(url="a:1", password="hunter2"))


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", DeviceConfig(driver="cpu")),
        ("CPU,threads=4", DeviceConfig(driver="cpu", settings={"threads": 4})),
        (
            "bm1370@/dev/pts/5,chips=4,scale=4e-6",
            DeviceConfig(
                driver="bm1370", port="/dev/pts/5", settings={"chips": 4, "scale": 0.000004}
            ),
        ),
        (
            "bitaxe-gamma@/dev/ttyACM0+/dev/ttyACM1",
            DeviceConfig(driver="bitaxe-gamma", port="/dev/ttyACM0+/dev/ttyACM1"),
        ),
        ("emulated:bitaxe-gamma", DeviceConfig(driver="emulated:bitaxe-gamma")),
        (
            "icarus@socket://host:7000,name=Left stick,fan=true,serial=0123",
            DeviceConfig(
                name="Left stick",
                driver="icarus",
                port="socket://host:7000",
                settings={"fan": True, "serial": "0123"},
            ),
        ),
        (
            "emulated:compac-a2,max_temp=70,limit=0.05kW,frequency=400",
            DeviceConfig(
                driver="emulated:compac-a2", max_temp=70, limit=50.0, settings={"frequency": 400}
            ),
        ),
        (
            'cpu, a = "12" ,b=-1,c=1.5,d=,e=x=y,f=99999999999999999999',
            DeviceConfig(
                driver="cpu",
                settings={"a": "12", "b": -1, "c": 1.5, "d": "", "e": "x=y", "f": 1e20},
            ),
        ),
    ],
)
def test_a_device_is_read_from_one_word(text: str, device: DeviceConfig) -> None:
    assert parse_device(text) == device


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", '"" is not the name of a driver or board'),
        ("@/dev/x", '"" is not the name of a driver or board'),
        ("a b", '"a b" is not the name'),
        ("emulated:", '"emulated:" is not the name'),
        ("cpu@", "no port stands behind the @"),
        ("cpu@\x1b[2J", "no port stands behind the @"),
        ("cpu,", '"" is not of the form key=value'),
        ("cpu,threads", '"threads" is not of the form key=value'),
        ("cpu,=4", '"=4" is not of the form key=value'),
        ("cpu,Threads=4", '"Threads=4" is not of the form key=value'),
        ("cpu,threads=4,threads=5", "threads is given twice"),
        ("cpu,name=a,name=b", "name is given twice"),
        ("cpu,max_temp=hot", "max_temp: expected a number from 20 to 120"),
        ("cpu,limit=50", "limit: expected a power with its unit"),
        ("cpu,name=" + "a" * 65, "name: expected a text of 1 to 64"),
    ],
)
def test_a_device_that_cannot_be_read_is_explained(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_device(text)

    assert problem in str(caught.value)
    assert "as in cpu,threads=2" in str(caught.value)


@given(st.text() | st.lists(st.sampled_from(list('cpu@,=+:/"x1. ')), max_size=12).map("".join))
def test_any_text_is_a_device_or_the_documented_error(text: str) -> None:
    try:
        outcome = parse_device(text).driver
    except ConfigError as error:
        outcome = str(error)

    assert outcome
    assert outcome.isprintable()


def test_the_rig_name_of_the_file_holds_for_users_of_the_command_line() -> None:
    config = with_arguments(
        Config(rig=RigConfig(name="c05")),
        pools=[PoolArguments(url="a:1", user="{rig}.{rig}")],
        environ={},
    )

    assert config.pools[0].user == "c05.c05"
