"""An order that was acknowledged holds, whenever the rig is killed; some lives, or many."""

import asyncio
import json
import sys
from itertools import count
from pathlib import Path
from time import time

import pytest

from tests.brokers import Site, broker, site_at
from tests.control.signed_orders import order

pytestmark = pytest.mark.soak

RESEND = 0.15
"""Seconds after which an issuer sends an order again that nobody has acknowledged."""


async def issue(site: Site, acknowledged: list[tuple[float, int]]) -> None:
    """Order rest by odd numbers and release by even ones, each until it is acknowledged."""
    for number in count(1):
        message = order(number, action="idle" if number % 2 else "release", expires=None)
        after = len(site.heard)

        def is_accepted(_topic: str, payload: bytes, number: int = number) -> bool:
            ack = json.loads(payload)
            return (ack["number"], ack["step"], ack.get("durable")) == (number, "accepted", True)

        while True:
            await site.client.publish("mine/kent/order/all", message, 1)
            try:
                async with asyncio.timeout(RESEND):
                    await site.hears(is_accepted, after=after)
                    break
            except TimeoutError:
                continue
        acknowledged.append((time(), number))


async def test_no_kill_loses_an_acknowledged_order_or_brings_one_back(
    soaking: bool, tmp_path: Path
) -> None:
    lives, acknowledged = (500 if soaking else 12), list[tuple[float, int]]()
    folder = tmp_path / "state"
    folder.mkdir()
    async with broker(tmp_path) as port, site_at(port, "mine/kent/rig/r17/ack") as site:
        issuing = asyncio.create_task(issue(site, acknowledged))
        words = ("-m", "tests.soak.killed_orders", str(port), str(folder), str(lives), "1")
        killing = await asyncio.create_subprocess_exec(sys.executable, *words)
        assert await killing.wait() == 0
        issuing.cancel()
        await asyncio.wait([issuing])

    found = [json.loads(line) for line in (folder / "lives").read_text().splitlines()]
    for life in found:
        promised = max((number for at, number in acknowledged if at < life["at"]), default=0)
        assert life["number"] >= promised
        assert life["rests"] is bool(life["number"] % 2)
    numbers = [life["number"] for life in found]
    assert numbers == sorted(numbers)
    print(f"\n{len(found)} lives, {len(acknowledged)} orders acknowledged")  # noqa: T201  # figures
    assert acknowledged
