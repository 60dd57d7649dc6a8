"""Parts of a configuration in conf.d: which comes first, what adds up, where errors are."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.cli import main
from stratum_client.config_file import load_config, load_hardware
from stratum_client.config_fragments import Joined
from stratum_client.errors import ConfigError

POOL = '[[pool]]\nurl = "{0}.example:1"\nuser = "a"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    return tmp_path


def written(site: Path, *, config: str = "", **fragments: str) -> Path:
    for name, text in fragments.items():
        (site / "conf.d" / f"{name}.toml").write_text(text)
    path = site / "rig.toml"
    path.write_text(config)
    return path


def test_the_file_comes_before_later_parts_and_those_before_earlier_ones(site: Path) -> None:
    path = written(
        site,
        config='[work]\nstrategy = "rotate"\n[log]\nlevel = "debug"\n',
        a='[work]\nstrategy = "quota"\nrotate_every = "1m"\nstandby = "cold"\n[rig]\nname = "a"\n',
        b='[work]\nrotate_every = "2m"\nanswers_wait = "7s"\n[rig]\nname = "b"\n',
    )

    config = load_config(path, {"SC_WORK_ANSWERS_WAIT": "3s"})

    work = config.work
    assert (work.strategy, work.rotate_every, work.standby) == ("rotate", 120.0, "cold")
    assert (work.answers_wait, config.rig.name, config.log.level) == (3.0, "b", "debug")


def test_pools_add_up_unless_the_file_has_its_own(site: Path) -> None:
    parts = {"a": POOL.format("one"), "b": POOL.format("two") + POOL.format("three")}
    names = [pool.url.host for pool in load_config(written(site, **parts), {}).pools]
    assert names == ["one.example", "two.example", "three.example"]

    path = written(site, config=POOL.format("mine"), **parts)
    assert [pool.url.host for pool in load_config(path, {}).pools] == ["mine.example"]


def test_an_error_names_the_file_and_line_where_it_is(site: Path) -> None:
    path = written(site, a=POOL.format("one"), b=f'{POOL.format("two")}quota = "much"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value).startswith(f"{site}/conf.d/b.toml:4: pool[2].quota: expected a number")

    written(site, b='[log]\nlevel = "loud"\n')
    with pytest.raises(ConfigError, match=r"conf\.d/b\.toml:2: log\.level: expected"):
        load_config(path, {})
    written(site, b="[log\n")
    with pytest.raises(ConfigError, match=r"conf\.d/b\.toml:1: not valid TOML"):
        load_config(path, {})
    (site / "conf.d/c.toml").symlink_to("nowhere")
    written(site, b="")
    with pytest.raises(ConfigError, match=r"conf\.d/c\.toml: cannot be read"):
        load_config(path, {})


def test_check_show_and_orders_see_the_parts(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = site / "state"
    path = written(site, config="[log]\nlevel = 'debug'\n", a=f'state_dir = "{state}"\n')
    assert main(["config", "check", "--config", str(path)]) == 0
    capsys.readouterr()

    assert main(["config", "show", "--config", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["settings"]
    assert shown["state_dir"]["from"] == f"{site}/conf.d/a.toml:1"
    assert shown["log.level"]["from"] == f"{path}:2"
    assert main(["status", "--config", str(path)]) == 1
    assert f"{state}/control.sock" in capsys.readouterr().err
    assert load_hardware(path, {}).state_dir == state

    written(site, a="[log]\nlevels = { pool = 'loud' }\n")
    assert main(["config", "check", "--config", str(path)]) == 2
    assert "conf.d/a.toml:2: log.levels.pool" in capsys.readouterr().out


TABLES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), TABLES)


@given(DOCUMENTS, DOCUMENTS)
def test_what_a_file_says_stays_and_what_it_does_not_say_is_added(
    upper: dict[str, object], lower: dict[str, object]
) -> None:
    joined, before = Joined(), json.dumps(upper)
    joined.add(lower, "", "f")
    document = json.loads(before)
    joined.put_under(document)

    assert laid(json.loads(before), lower) == document


def laid(upper: object, lower: object) -> object:
    if not (isinstance(upper, dict) and isinstance(lower, dict)):
        return upper
    both = {key: laid(value, lower.get(key, value)) for key, value in upper.items()}
    return {**{key: value for key, value in lower.items() if key not in upper}, **both}
