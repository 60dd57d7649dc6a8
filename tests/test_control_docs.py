"""docs/control.md names every request and every key of the status."""

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from stratum_client.clock import SystemClock
from stratum_client.config import Config, PoolConfig
from stratum_client.daemon import Daemon
from stratum_client.pool_url import parse_pool_url
from tests.stand_ins import RecordingLog
from tests.test_metrics import rig

DOCS = (Path(__file__).parent.parent / "docs/control.md").read_text()
NAMED = set(re.findall(r"`\.?([a-z_.]+)(?:\[\])?(?:`|: )", DOCS))


def test_every_request_is_documented() -> None:
    pool = PoolConfig(name="pool", url=parse_pool_url("127.0.0.1:1"), user="a")
    log = RecordingLog()
    daemon = Daemon(
        Config(pools=(pool,)), clock=SystemClock(), random=Random(1), log_for=lambda _: log
    )

    assert daemon._handlers().keys() <= NAMED


def test_every_key_of_the_status_is_documented() -> None:
    summary: Any = rig().summary()
    keys = {*summary, *summary["claims"][0], *summary["pools"][0]}
    device: Mapping[str, Any] = summary["devices"][0]
    keys |= {*device, *device["limit"]}

    assert keys - NAMED == set()
