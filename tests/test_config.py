import pytest

from stratum_client.config import Config, DeviceConfig, PoolConfig, Switch, host_name
from stratum_client.pool_url import parse_pool_url


def pool(url: str, extranonce_subscribe: Switch = "auto") -> PoolConfig:
    return PoolConfig(url=parse_pool_url(url), user="a", extranonce_subscribe=extranonce_subscribe)


@pytest.mark.parametrize(
    ("url", "switch", "expected"),
    [
        ("sha256asicboost.auto.nicehash.com:9200", "auto", True),
        ("NICEHASH.com.:9200", "auto", True),
        ("pool.example:1#xnsub", "auto", True),
        ("pool.example:1#xnsub", "off", False),
        ("pool.example:1", "on", True),
        ("pool.example:1", "auto", False),
        ("notnicehash.com:1", "auto", False),
        ("nicehash.com.example:1", "auto", False),
    ],
)
def test_extranonce_changes_are_asked_for_where_they_are_needed(
    url: str, switch: Switch, expected: bool
) -> None:
    assert pool(url, switch).subscribes_extranonce is expected


@pytest.mark.parametrize(
    ("port", "paths"),
    [
        ("", ()),
        ("/dev/ttyACM0", ("/dev/ttyACM0",)),
        ("/dev/ttyACM0+/dev/ttyACM1", ("/dev/ttyACM0", "/dev/ttyACM1")),
        ("/dev/serial/by-id/usb-A+B:1.0", ("/dev/serial/by-id/usb-A+B:1.0",)),
        ("emulated:bitaxe-gamma", ("emulated:bitaxe-gamma",)),
        ("COM3+COM4", ("COM3", "COM4")),
    ],
)
def test_a_port_may_be_two_joined_by_a_plus(port: str, paths: tuple[str, ...]) -> None:
    assert DeviceConfig(port=port).paths == paths


def test_only_real_passwords_are_secrets() -> None:
    url = parse_pool_url("a:1")
    pools = (
        PoolConfig(url=url, user="a"),
        PoolConfig(url=url, user="b", password="hunter2"),
        PoolConfig(url=url, user="c", password=""),
    )

    assert Config(pools=pools).secrets == ("hunter2",)


def test_the_host_name_fits_into_a_workers_name() -> None:
    assert host_name()
    assert all(character.isalnum() or character == "-" for character in host_name())
