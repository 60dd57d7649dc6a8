import re
from pathlib import Path

import pytest

from stratum_client.config import Config, Deadlines, DeviceMatch, LogConfig, RigConfig, host_name
from stratum_client.config_file import find_config, load_config, read_config
from stratum_client.errors import ConfigError
from stratum_client.pool_url import PoolUrl

POOL = '[[pool]]\nurl = "pool.example:3333"\nuser = "alice.{rig}"\n'


def read(text: str, **environ: str) -> Config:
    return read_config(text.encode(), name="f.toml", environ=environ)


def refusal(text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    return str(caught.value)


def test_an_empty_file_gives_the_defaults() -> None:
    assert read("") == Config(rig=RigConfig(name=host_name()))


def test_each_section_is_read() -> None:
    config = read(
        """
        schema = 1
        state_dir = "/var/lib/x"
        [rig]
        name = "c04"
        [log]
        format = "json"
        level = "warning"
        levels = { pool = "debug" }
        [deadlines]
        connect = "3s"
        silence_jobs = 4
        [[pool]]
        name = "main"
        url = "stratum+ssl://pool.example:3334#xnsub"
        user = "alice.{rig}"
        password = "d=512"
        suggest_difficulty = 512
        share_interval = 10
        minimum_difficulty = 0.5
        extranonce_subscribe = false
        configure = false
        pipeline = false
        version_bits = "xor"
        version_rolling_mask = "00C00000"
        submit_stale = true
        deadlines.tls = "4s"
        [[device]]
        name = "left"
        driver = "bm1370"
        port = "/dev/a+/dev/b"
        settings = { chips = 4, frequency = "auto", list = [1, 2] }
        [[device]]
        match = { serial = "10032", vid = 0x0403 }
        """
    )

    assert config.state_dir == Path("/var/lib/x")
    assert config.log == LogConfig(format="json", level="warning", levels={"pool": "debug"})
    assert config.deadlines == Deadlines(connect=3.0, silence_jobs=4)
    [pool] = config.pools
    assert pool.name == "main"
    assert pool.url == PoolUrl(
        transport="tls", host="pool.example", port=3334, flags=frozenset({"xnsub"})
    )
    assert pool.user == "alice.c04"
    assert pool.password == "d=512"
    assert pool.suggest_difficulty == 512
    assert pool.share_interval == 10.0
    assert pool.minimum_difficulty == 0.5
    assert not pool.subscribes_extranonce
    assert (pool.configure, pool.pipeline, pool.submit_stale) == (False, False, True)
    assert pool.version_bits == "xor"
    assert pool.version_rolling_mask == 0x00C00000
    assert pool.deadlines == Deadlines(connect=3.0, silence_jobs=4, tls=4.0)
    left, found = config.devices
    assert (left.name, left.driver, left.paths) == ("left", "bm1370", ("/dev/a", "/dev/b"))
    assert left.settings == {"chips": 4, "frequency": "auto", "list": [1, 2]}
    assert found.match == DeviceMatch(serial="10032", vid=0x0403)
    assert found.name == "10032"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("schema = 2", "f.toml:1: schema: expected 1, the only format"),
        ("schema = true", "f.toml:1: schema: expected 1, the only format"),
        ("\n[lgo]\n", 'f.toml:2: lgo: no such key; did you mean "log"?'),
        ("[[pools]]\n", 'did you mean "pool"?'),
        (POOL + 'usr = "x"', 'f.toml:4: pool[1].usr: no such key; did you mean "user"?'),
        (POOL + POOL + "pipeline = 1", "f.toml:7: pool[2].pipeline: expected true or false, found"),
        (POOL + "deadlines = { tls = 'x' }", "f.toml:4: pool[1].deadlines.tls: expected a time"),
        (POOL + "deadlines = { tls = -1 }", "f.toml:4: pool[1].deadlines.tls: expected a time"),
        (POOL + "deadlines.tls = 0", "f.toml:4: pool[1].deadlines.tls: expected a time from 1ms"),
        (POOL + "deadlines = 5", "f.toml:4: pool[1].deadlines: expected a table, found the number"),
        (POOL + "suggest_difficulty = 0", 'expected "auto" or "off" or a number from'),
        (POOL + "suggest_difficulty = nan", "found the number nan"),
        (POOL + 'version_rolling_mask = "1fff"', "8 hexadecimal digits"),
        (POOL + 'version_bits = "or"', 'expected "auto" or "mask" or "xor", found the text "or"'),
        ('[[pool]]\nuser = "a"\n', "f.toml:1: pool[1]: url is missing"),
        ('[[pool]]\nurl = "a:1"\n', "f.toml:1: pool[1]: user is missing"),
        ('[[pool]]\nurl = "http://a:1"\nuser = "a"', "f.toml:2: pool[1].url: http:// was for"),
        ('[[pool]]\nurl = "a:1"\nuser = " a"', "f.toml:3: pool[1].user: expected the name of"),
        ('[[pool]]\nurl = "a:1"\nuser = "a.{host}"', 'pool[1].user: "{host}" means nothing here'),
        (
            '[[pool]]\nurl = "a:1"\nuser = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhx.rig"',
            'f.toml:3: pool[1].user: "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhx" looks like',
        ),
        ('[pool]\nurl = "a:1"', "f.toml:1: pool: found a table: write [[pool]], with two brackets"),
        ("pool = [1]", "f.toml:1: pool[1]: expected a table, found the number 1"),
        ("rig = 'c04'", 'f.toml:1: rig: expected a table, found the text "c04"'),
        ("[rig]\nname = 'a b'", 'f.toml:2: rig.name: expected letters, digits, "-", "_" and "."'),
        ("[log]\nlevels = { pool = 'loud' }", "f.toml:2: log.levels.pool: expected"),
        ("[log.levels]\n\n'P\\u001b' = 'info'", 'f.toml:3: log.levels."P\\u001b": a key here is'),
        ("[[device]]\nname = 'a'", "f.toml:1: device[1]: driver, match or port is missing"),
        ("[[device]]\nmatch = {}", "f.toml:2: device[1].match: an empty match fits every device"),
        (
            "[[device]]\nport = 'a'\nmatch = { serial = '1' }",
            "f.toml:3: device[1].match: a device has a port or a match, not both",
        ),
        ("[[device]]\nvoltage = 1.2", "goes under settings"),
        ("[[device]]\nmatch = { vid = 70000 }", "match.vid: expected a whole number from 0 to 655"),
        (
            "[deadlines]\nsilence = '20m'\nsilence_cap = '10m'",
            "f.toml:3: deadlines.silence_cap: 10m is shorter than silence, 20m",
        ),
        (
            POOL + "[pool.deadlines]\nretry_first = '5m'",
            "f.toml:4: pool[1].deadlines.retry_cap: 1m is shorter than retry_first, 5m",
        ),
        ("\n[log\n", "f.toml:2: not valid TOML in column 5: "),
        ("a = 1\na = 2", "f.toml:2: not valid TOML"),
        ("a = '''b\n\n", "f.toml:3: not valid TOML: "),
        ("a = " + "9" * 5000, "f.toml:1: not valid TOML: "),
        ("a = " + "[" * 100_000, "is nested too deeply"),
        ("#" * (1 << 20) + "#", "larger than 1048576 bytes"),
    ],
)
def test_an_error_names_line_key_finding_and_remedy(text: str, error: str) -> None:
    assert error in refusal(text)


def test_text_that_is_not_utf_8_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=re.escape("f.toml:2: is not UTF-8 text")):
        read_config(b"schema = 1\n# \xff\n", name="f.toml", environ={})


def test_a_byte_order_mark_and_dos_line_ends_are_taken() -> None:
    config = read_config(
        b"\xef\xbb\xbfschema = 1\r\n[rig]\r\nname = 'a'\r\n", name="f.toml", environ={}
    )

    assert config.rig.name == "a"


def test_names_are_made_unique_and_given_ones_are_kept() -> None:
    config = read(
        POOL * 3
        + '[[device]]\ndriver = "cpu"\n'
        + '[[device]]\ndriver = "cpu"\nname = "cpu-2"\n'
        + '[[device]]\ndriver = "cpu"\n'
        + '[[device]]\ndriver = "cpu"\nname = "cpu-2"\n'
        + '[[device]]\nport = "/dev/ttyACM0"\n'
    )

    assert [p.name for p in config.pools] == ["pool.example", "pool.example-2", "pool.example-3"]
    assert [d.name for d in config.devices] == ["cpu", "cpu-2", "cpu-3", "cpu-2-2", "ttyACM0"]


def test_load_config_reads_a_file_and_remembers_it(tmp_path: Path) -> None:
    path = tmp_path / "stratum-client.toml"
    path.write_text('state_dir = "state"\n')

    config = load_config(path, {})

    assert config.path == path
    assert config.state_dir == tmp_path / "state"


def test_load_config_without_a_file_uses_the_environment_alone() -> None:
    config = load_config(None, {"SC_POOL_1_URL": "a:1", "SC_POOL_1_USER": "bob"})

    assert config.path is None
    assert [pool.user for pool in config.pools] == ["bob"]


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load_config(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path, {})


def test_the_search_goes_from_here_over_the_home_to_the_system(tmp_path: Path) -> None:
    here, home, xdg, system = (tmp_path / name for name in ("here", "home", "xdg", "etc"))
    paths = [
        here / "stratum-client.toml",
        xdg / "stratum-client" / "stratum-client.toml",
        system / "stratum-client.toml",
    ]
    at_home = home / ".config" / "stratum-client" / "stratum-client.toml"
    for path in [*paths, at_home]:
        path.parent.mkdir(parents=True)
        path.touch()
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": str(xdg)}

    found = []
    for path in paths:
        found.append(find_config(environ, here, system))
        path.unlink()

    assert found == paths
    assert find_config(environ, here, system) is None
    assert find_config({"HOME": str(home)}, here, system) == at_home
    assert find_config({"HOME": str(home), "XDG_CONFIG_HOME": "relative"}, here, system) == at_home
    assert find_config({}, here, system) is None
