"""Orders to curtail when something else goes wrong: damage, clocks, orders that cross a release."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from stratum_client import curtail_desk
from stratum_client.api.control_lines import Order
from stratum_client.control.claims import Level
from stratum_client.control.orders_file import book_in
from stratum_client.orders_store import AGAIN_AFTER
from stratum_client.site import Site
from tests.control.signed_orders import NOW, order
from tests.order_bench import OrderBench, working
from tests.tls_peers import until

DAMAGED = b'{"format": 1, "claims": {'


async def test_a_damaged_record_lets_the_rig_rest_at_every_start_until_it_is_replaced(
    tmp_path: Path,
) -> None:
    (tmp_path / "orders.json").write_bytes(DAMAGED)
    for _ in range(3):
        bench = OrderBench(tmp_path)
        assert bench.running() == []
    async with working(bench):
        bench.desk.take_message(order(17))
        await until(bench.steps)
        bench.desk.take_message(order(18, action="release"))
        await until(lambda: bench.steps(18))

    last = OrderBench(tmp_path)
    assert last.running() == []
    assert (await last.order("curtail.release", force=True))["durable"]
    assert OrderBench(tmp_path).running() == ["cpu", "gamma"]
    assert (tmp_path / "orders.damaged").read_bytes() == DAMAGED


@pytest.mark.virtual_time
@pytest.mark.parametrize(("right", "rests"), [(NOW + 60, True), (NOW + 4000, False)])
async def test_an_order_that_comes_while_nobody_has_set_the_clock_holds_until_it_is_right(
    right: float, rests: bool
) -> None:
    bench = OrderBench(None, wall=NOW + 1e6, synchronized=False)
    async with working(bench):
        bench.desk.take_message(order())
        await asyncio.sleep(10 * AGAIN_AFTER)  # what has expired is looked for now and then
        assert bench.running() == []
        bench.clock.set_wall(right)
        bench.synchronized = True
        await asyncio.sleep(2)
        assert (bench.running() == []) is rests

    assert bench.told()[0]["until"] == NOW + 3600
    assert bench.steps()[:2] == ["accepted", "idle"]
    assert [c.until for c in bench.control.claims.claims] == [NOW + 3600] * rests


async def test_an_order_that_has_ended_holds_no_later_daemon_whose_clock_is_not_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curtail_desk, "AGAIN_AFTER", 0.01)
    bench = OrderBench(tmp_path, synchronized=False)
    async with working(bench):
        await bench.order("curtail", idle=True, seconds=10)
        bench.clock.now += 11
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"])
        await until(lambda: not book_in((tmp_path / "orders.json").read_bytes()).claims.claims)

    assert OrderBench(tmp_path, synchronized=False).running() == ["cpu", "gamma"]


@pytest.mark.virtual_time
async def test_who_trusts_the_clock_does_so_for_orders_too() -> None:
    bench = OrderBench(None)
    site = Site(
        bench.config,
        control=bench.control,
        devices=lambda: bench.devices,
        state_dir=None,
        synchronized=lambda: False,
        clock=bench.clock,
        random=Random(1),
        log_for=lambda _: bench.log,
    )
    site.curtail.take_message(order())
    assert bench.running() == []
    assert bench.log.named("order.clock_unsynchronized") == [{"orders": 1}]
    bench.clock.now += 3601
    task = asyncio.create_task(site.curtail.run())
    await asyncio.sleep(10)
    assert bench.running() == []

    site.handlers["schedule.trust_clock"](Order(fields={}, by="user miner"))
    await asyncio.sleep(2)

    assert bench.running() == ["cpu", "gamma"]
    task.cancel()


async def test_an_order_that_comes_while_the_release_of_another_is_written_down_is_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, writing, may_end = OrderBench(tmp_path), asyncio.Event(), asyncio.Event()
    audit = bench.desk.store.audit

    async def slow(what: str, fields: dict[str, object]) -> str:
        writing.set()
        await may_end.wait()
        return await audit(what, fields)

    monkeypatch.setattr(bench.desk.store, "audit", slow)
    bench.desk.take_message(order(17, expires=None))
    async with asyncio.TaskGroup() as group:
        release = group.create_task(bench.order("curtail.release", force=True))
        await writing.wait()
        bench.desk.take_message(order(18, expires=None))
        may_end.set()

    assert bench.running() == []
    [held] = release.result()["held"]
    assert held.startswith("order 18 of grid")
    assert [c.level for c in bench.control.claims.claims] == [Level.ORDER]
