"""What differs between two configurations: applied, it gives the second; no word betrays one."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.config import (
    Config,
    Deadlines,
    DeviceConfig,
    DeviceMatch,
    LogConfig,
    PoolConfig,
    RigConfig,
    TlsConfig,
)
from stratum_client.config_curtail import CurtailConfig, OrderKeyConfig
from stratum_client.config_diff import (
    DeviceChanged,
    PoolAdded,
    PoolChanged,
    PoolRemoved,
    PoolsArranged,
    SectionChanged,
    applied,
    difference,
    is_applicable,
    is_told,
)
from stratum_client.config_file import read_config
from stratum_client.config_metrics import ListenAddress, MetricsConfig
from stratum_client.config_work import WorkConfig
from stratum_client.pool_url import parse_pool_url

NAMES = st.sampled_from(["a", "b", "c", "d"])
DEADLINES = st.builds(Deadlines, connect=st.sampled_from([5.0, 10.0]))
POOLS = st.builds(
    PoolConfig,
    name=NAMES,
    url=st.sampled_from([parse_pool_url("one.example:1"), parse_pool_url("two.example:2")]),
    user=st.sampled_from(["me", "you"]),
    password=st.sampled_from(["x", "geheim-1", "geheim-2"]),
    quota=st.sampled_from([1.0, 2.0]),
    deadlines=DEADLINES,
    tls=st.none() | st.just(TlsConfig(verify="insecure")),
)
DEVICES = st.builds(
    DeviceConfig,
    name=NAMES,
    driver=st.sampled_from(["cpu", "bm1366"]),
    match=st.none() | st.just(DeviceMatch(serial="7")),
    settings=st.dictionaries(st.sampled_from(["threads", "duty"]), st.integers(1, 3)),
)
CONFIGS = st.builds(
    Config,
    state_dir=st.none() | st.just(Path("/var/lib/x")),
    rig=st.builds(RigConfig, name=NAMES),
    log=st.builds(LogConfig, level=st.sampled_from(["debug", "info"])),
    metrics=st.builds(
        MetricsConfig, listen=st.none() | st.just(ListenAddress(host="127.0.0.1", port=1))
    ),
    work=st.builds(WorkConfig, strategy=st.sampled_from(["failover", "quota"])),
    deadlines=DEADLINES,
    pools=st.lists(POOLS, max_size=4, unique_by=lambda pool: pool.name).map(tuple),
    devices=st.lists(DEVICES, max_size=4, unique_by=lambda device: device.name).map(tuple),
    path=st.none() | st.just(Path("a.toml")),
    warnings=st.sampled_from([(), ("mind the gap",)]),
)


@settings(max_examples=40)
@given(CONFIGS, CONFIGS)
def test_the_difference_applied_gives_the_second(old: Config, new: Config) -> None:
    assert applied(old, difference(old, new)) == new


@settings(max_examples=30)
@given(CONFIGS)
def test_a_configuration_does_not_differ_from_itself(config: Config) -> None:
    assert difference(config, replace(config)) == ()


@settings(max_examples=40)
@given(CONFIGS, CONFIGS)
def test_what_a_running_daemon_takes_over_leaves_just_the_rest(old: Config, new: Config) -> None:
    changes = difference(old, new)
    rest = [change for change in changes if not is_applicable(change)]

    between = applied(old, [change for change in changes if is_applicable(change)])

    assert list(difference(between, new)) == rest
    assert between.pools == new.pools
    assert (between.log, between.work) == (new.log, new.work)
    assert (between.rig, between.state_dir, between.metrics) == (
        *(old.rig, old.state_dir, old.metrics),
    )
    if old.devices and new.devices:
        assert between.devices == new.devices
    else:
        assert between.devices == old.devices


@settings(max_examples=40)
@given(CONFIGS, CONFIGS)
def test_no_change_is_told_with_a_secret_and_each_one_is_worth_its_line(
    old: Config, new: Config
) -> None:
    told = [str(change) for change in difference(old, new) if is_told(change)]

    assert not any("geheim" in line for line in told)
    assert all(line.isprintable() and len(line) > 5 for line in told)
    assert len(set(told)) == len(told)


@settings(max_examples=40)
@given(CONFIGS, CONFIGS)
def test_each_pool_is_touched_once_at_most(old: Config, new: Config) -> None:
    touched = []
    for change in difference(old, new):
        match change:
            case PoolAdded(pool=pool) | PoolChanged(new=pool):
                touched.append(pool.name)
            case PoolRemoved(name=name):
                touched.append(name)

    before, after = {p.name: p for p in old.pools}, {p.name: p for p in new.pools}
    differing = {n for n in before | after if before.get(n) != after.get(n)}
    assert sorted(touched) == sorted(differing)


BASE = """
[[pool]]
name = "main"
url = "stratum+tcp://one.example:1"
user = "me"
password = "geheim-1"
[[pool]]
name = "backup"
url = "stratum+tcp://two.example:2"
user = "me"
[[device]]
driver = "cpu"
settings = { threads = 1 }
"""


def lines(*changes: tuple[str, str], more: str = "") -> list[str]:
    text = BASE + more
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    old, new = (read_config(t.encode(), name="c", environ={}) for t in (BASE, text))
    return [str(change) for change in difference(old, new) if is_told(change)]


def test_changes_are_told_in_words() -> None:
    assert lines() == []
    assert lines(('"me"', '"you"')) == ["pool main: a new session for user me -> you"]
    assert lines(("geheim-1", "geheim-2")) == ["pool main: a new session for password"]
    assert lines(('user = "me"', 'user = "me"\nquota = 2')) == ["pool main: quota 1 -> 2"]
    assert lines(('user = "me"', 'user = "me"\nshare_interval = "8s"')) == [
        "pool main: share_interval 6s -> 8s"
    ]
    assert lines(more='[work]\nfailback_after = "90s"\nrotate_every = "2h"\n') == [
        "work.failback_after 5m -> 90s, work.rotate_every 1h -> 2h"
    ]
    assert lines(("one.example:1", "one.example:9")) == [
        "pool main: a new session for url stratum+tcp://one.example:1 -> stratum+tcp://one.example:9"
    ]
    assert lines(("threads = 1", "threads = 2")) == [
        "device cpu: started anew for settings.threads 1 -> 2"
    ]
    assert lines(('name = "backup"', 'name = "other"')) == [
        "pool backup: removed",
        "pool other: new, at stratum+tcp://two.example:2",
    ]
    assert lines(more='[log]\nlevel = "debug"\nlevels = { pool = "error" }\n') == [
        "log.level info -> debug, log.levels.pool nothing -> error"
    ]
    assert lines(more='[rig]\nname = "c04"\n')[0].startswith("needs a restart: rig.name ")
    assert lines(more='[deadlines]\nconnect = "3s"\n') == [
        "pool main: deadlines.connect 10s -> 3s",
        "pool backup: deadlines.connect 10s -> 3s",
    ]


def test_another_order_of_pools_reconnects_nobody() -> None:
    first, second = BASE.index("[[pool]]"), BASE.rindex("[[pool]]")
    end = BASE.index("[[device]]")
    turned = BASE[:first] + BASE[second:end] + BASE[first:second] + BASE[end:]
    old, new = (read_config(t.encode(), name="c", environ={}) for t in (BASE, turned))

    assert difference(old, new) == (PoolsArranged(names=("backup", "main")),)


@pytest.mark.parametrize(
    ("change", "reconnects"),
    [({"quota": 2.0}, False), ({"deadlines": Deadlines(submit=9.0)}, False), ({"user": "b"}, True)],
)
def test_only_what_a_session_hangs_on_needs_a_new_one(
    change: dict[str, object], reconnects: bool
) -> None:
    pool = PoolConfig(name="a", url=parse_pool_url("one.example:1"), user="a")

    changed = PoolChanged(old=pool, new=replace(pool, **change))  # type: ignore[arg-type]  # by name

    assert changed.reconnects is reconnects


def test_devices_found_and_devices_configured_do_not_change_places_while_it_runs() -> None:
    config, device = Config(), DeviceConfig(name="cpu", driver="cpu")

    for old, new in (((), (device,)), ((device,), ())):
        [change] = difference(replace(config, devices=old), replace(config, devices=new))
        assert isinstance(change, SectionChanged)
        assert not is_applicable(change)


def test_a_changed_device_is_told_apart_from_a_new_one() -> None:
    device = DeviceConfig(name="cpu", driver="cpu")
    old = Config(devices=(device,))
    new = Config(devices=(replace(device, settings={"threads": 2}),))

    assert difference(old, new) == (DeviceChanged(old=old.devices[0], new=new.devices[0]),)


def test_a_device_goes_on_when_only_its_limit_or_its_plug_changes() -> None:
    old = DeviceConfig(name="a", driver="cpu", limit=40.0)
    limited = DeviceChanged(old=old, new=replace(old, limit=50.0))
    moved = DeviceChanged(old=old, new=replace(old, limit=50.0, port="/dev/ttyACM0"))

    assert not limited.restarts
    assert str(limited) == "device a: limit 40W -> 50W"
    assert moved.restarts


def test_order_keys_are_told_by_their_names_and_never_by_their_secrets() -> None:
    grid, desk, ops = (
        OrderKeyConfig(name=name, secret=f"the secret of {name}")
        for name in ("grid", "desk", "ops")
    )
    before = Config(curtail=CurtailConfig(keys=(grid, desk)))
    mended = replace(desk, secret="another secret of desk")
    after = Config(curtail=CurtailConfig(keys=(mended, ops)))

    [change] = difference(before, after)

    assert str(change) == "curtail.keys (desk changed, grid gone, ops new)"
    assert is_applicable(change)
