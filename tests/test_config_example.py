"""The files under config/ are what users copy: they must be complete and true."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stratum_client.config import Config, Deadlines, LogConfig, PoolConfig
from stratum_client.config_file import load_config, read_config
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.config_work import WorkConfig
from stratum_client.setting_kinds import Section, settings_of
from stratum_client.toml_lines import KeyPath, lines_of

FOLDER = Path(__file__).parent.parent / "config"
EXAMPLE = FOLDER / "example.toml"
COMMENTED = re.compile(r"^#(?=[a-z_]+ = |\[\[)", re.MULTILINE)


def keys_of(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, (_, kind) in settings_of(cls).items():
        if isinstance(kind, Section):
            yield from keys_of(kind.into, (*path, key))
        else:
            yield (*path, key)


def words_of(path: KeyPath) -> tuple[str, ...]:
    return tuple(key for key in path if isinstance(key, str))


def read(text: str) -> Config:
    environ = {
        "MAIN_POOL_PASSWORD": "p",
        "POOL_PROXY": "socks5://a:1",
        "NETWORK_PROXY": "socks5://b:1",
        "PLUG_PASSWORD": "p",
        "PLUG_URL": "http://plug",
        "PRICE_URL": "http://prices.example/?key=abc",
        "MQTT_PASSWORD": "p",
        "NIGHT_DESK_SECRET": "sixteen characters",
    }
    return read_config(text.encode(), name="example.toml", environ=environ)


def test_every_key_is_in_the_example() -> None:
    everything = COMMENTED.sub("", EXAMPLE.read_text())
    shown = {words_of(path) for path in lines_of(everything)}

    elsewhere = set(keys_of(Deadlines, ("pool", "deadlines")))
    elsewhere |= set(keys_of(MeterConfig, ("device", "meter")))
    assert set(keys_of(Config)) - elsewhere <= shown
    assert len(set(keys_of(Config))) > 60


def test_every_key_of_the_example_has_a_comment_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if not re.match(r"#?[a-z_]+ = ", line) or line.startswith("#[["):
            continue
        above = number - 1
        while re.match(r"#?[a-z_]+ = |#?\[", lines[above]):
            above -= 1
        assert lines[above].startswith("# "), line


def test_the_example_states_the_defaults() -> None:
    config = load_config(EXAMPLE, {})

    [pool] = config.pools
    assert config.log == LogConfig()
    assert config.deadlines == Deadlines()
    assert config.work == WorkConfig()
    assert config.power == PowerConfig()
    assert pool == PoolConfig(name=pool.name, url=pool.url, user=pool.user)
    assert config.warnings == ()


@pytest.mark.parametrize("section", [Deadlines, LogConfig, PoolConfig, WorkConfig])
def test_the_example_leaves_out_no_default(section: type) -> None:
    tables = {Deadlines: "deadlines", LogConfig: "log", PoolConfig: "pool", WorkConfig: "work"}
    table = tables[section]
    read_by_toml = tomllib.loads(EXAMPLE.read_text())[table]
    stated = read_by_toml[0] if isinstance(read_by_toml, list) else read_by_toml

    optional = {"name", "password_file", "password_env", "payout"}
    if section is PoolConfig:
        optional |= {"tls", "proxy", "proxy_file", "proxy_env"}
    assert settings_of(section).keys() - optional == stated.keys()


def possibilities() -> list[range]:
    """Return the lines that are switched off: tables as a whole, other keys one by one."""
    lines = EXAMPLE.read_text().splitlines()
    found: list[range] = []
    for number, line in enumerate(lines):
        if line.startswith("#[["):
            found.append(range(number, lines.index("", number)))
        elif COMMENTED.match(line) and not (found and number in found[-1]):
            found.append(range(number, number + 1))
    return found


@pytest.mark.parametrize("switched", possibilities(), ids=str)
def test_each_possibility_of_the_example_can_be_switched_on(
    switched: range, tmp_path: Path
) -> None:
    (tmp_path / "main").write_text("secret")
    (tmp_path / "plug").write_text("secret")
    (tmp_path / "mqtt").write_text("secret")
    (tmp_path / "grid").write_text("a long shared secret")
    (tmp_path / "proxy").write_text("socks5://c:1\n")
    (tmp_path / "plug-url").write_text("http://plug/?key=abc\n")
    (tmp_path / "price-url").write_text("http://prices.example/?key=abc\n")
    lines = EXAMPLE.read_text().splitlines()
    for number in switched:
        lines[number] = lines[number].removeprefix("#")
    text = "\n".join(lines).replace("/etc/stratum-client/secrets", str(tmp_path))
    if lines[switched[0]].startswith("password_"):
        text = text.replace('password = "x"\n', "")
    if 'source = "mqtt"' in lines[switched[0]]:
        text = text.replace('#url = "mqtts:', 'url = "mqtts:')

    assert read(text) != read(EXAMPLE.read_text())


def test_the_demo_needs_no_hardware_and_no_network() -> None:
    config = load_config(FOLDER / "demo.toml", {})

    assert [str(pool.url) for pool in config.pools] == ["stratum+tcp://127.0.0.1:3333"]
    assert [device.driver for device in config.devices] == ["cpu"]
