"""Orders through a reload: keys, ways and contacts change, and what was ordered goes on."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

from stratum_client.config_curtail import ContactConfig, OrderKeyConfig
from stratum_client.config_schedule import ScheduleConfig
from tests.control.signed_orders import order
from tests.order_bench import KEY, OrderBench, working
from tests.tls_peers import until

OTHER_SECRET = b"another secret, shared with the desk"


def by_other(data: bytes) -> bytes:
    return hmac.new(OTHER_SECRET, data, hashlib.sha256).digest()


OTHER = OrderKeyConfig(name="desk", secret=OTHER_SECRET.decode())


def issuers(bench: OrderBench) -> list[str]:
    return [claim.issuer for claim in bench.desk.book.claims.claims]


def subscribed(bench: OrderBench) -> set[str]:
    return {pattern for pattern, _ in bench.broker._subscribed}


async def test_a_key_that_is_taken_out_can_order_no_more_but_its_order_holds(
    tmp_path: Path,
) -> None:
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.desk.take_message(order(17, expires=None))
        await until(lambda: "idle" in bench.steps())
        before = bench.state()

        bench.reload(keys=(OTHER,))

        assert bench.state() == before
        [told] = bench.log.named("order.issuer_gone")
        assert (told["issuer"], told["holds_until"]) == ("key grid", "released")
        assert told["ended_by"] == "stratum-client curtail release --force --issuer 'key grid'"
        [row] = (await bench.order("curtail.list"))["orders"]
        assert (row["issuer"], row["issuer_gone"]) == ("key grid", True)
        bench.desk.take_message(order(18, action="release"))
        assert bench.state() == before
        assert bench.told("event")[-1]["why"] == "unknown-key"
        await bench.order("curtail.release", force=True, issuer="key grid")
        assert bench.running() == ["cpu", "gamma"]

    [line] = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["what"] == "order.released_by_force"


async def test_an_order_of_a_key_that_is_gone_ends_when_it_expires() -> None:
    bench = OrderBench(None)
    async with working(bench):
        bench.desk.take_message(order(17))
        bench.reload(keys=())
        assert bench.running() == []
        bench.clock.now += 3601
        bench.control._changed.set()
        await until(lambda: bench.running() == ["cpu", "gamma"])


async def test_a_key_with_another_secret_ends_what_it_ordered_by_the_old_one() -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order(17, expires=None))

    bench.reload(keys=(replace(KEY, secret=OTHER_SECRET.decode()),))
    bench.desk.take_message(order(18, action="release"))
    assert bench.running() == []
    assert bench.told("event")[-1]["why"] == "forged"
    bench.desk.take_message(order(17, action="release", sign=by_other))
    assert bench.running() == []
    assert bench.told("event")[-1]["why"] == "replayed"
    bench.desk.take_message(order(19, action="release", sign=by_other))
    assert bench.running() == ["cpu", "gamma"]
    assert bench.log.named("order.issuer_gone") == []


async def test_what_a_key_may_is_as_the_reload_says() -> None:
    bench = OrderBench(None)

    bench.reload(keys=(replace(KEY, may=("watts",)),))
    bench.desk.take_message(order(17))

    assert bench.running() == ["cpu", "gamma"]
    assert bench.told("event")[-1]["why"] == "not-allowed"


async def test_an_order_that_was_retained_before_its_key_was_known_is_asked_for_again() -> None:
    bench = OrderBench(None, keys=())
    assert subscribed(bench) == set()
    bench.desk.take_message(order(17))
    assert bench.told("event")[-1]["why"] == "unknown-key"

    bench.reload(keys=(OTHER,))
    bench.link._wanted.clear()
    bench.reload(keys=(OTHER, KEY))

    topics = {f"mine/kent/order/{target}" for target in ("all", "group/hall-4", "rig/r17")}
    assert subscribed(bench) == {pattern for pattern, _ in bench.link._wanted} == topics
    bench.desk.take_message(order(17))
    assert bench.running() == []


async def test_a_reload_that_changes_nothing_of_orders_asks_the_broker_for_nothing() -> None:
    bench = OrderBench(None)
    bench.link._wanted.clear()

    bench.reload()

    assert bench.link._wanted == []


async def test_orders_are_heard_where_site_and_groups_say_so() -> None:
    bench = OrderBench(None)
    bench.desk.take_message(order(17))
    mqtt = replace(bench.config.mqtt, site="essex", groups=())

    bench.desk.configure(replace(bench.config, mqtt=mqtt))

    assert subscribed(bench) == {"mine/essex/order/all", "mine/essex/order/rig/r17"}
    assert bench.running() == []
    bench.desk.take_message(order(18, action="release"))
    assert bench.told("event")[-1]["why"] == "wrong-target"


async def test_orders_by_mqtt_and_socket_are_switched_off_and_those_in_force_stay() -> None:
    bench = OrderBench(None)
    await bench.order("curtail", idle=True)

    bench.reload(sources=("contact",))

    assert subscribed(bench) == set()
    assert issuers(bench) == ["user miner"]
    assert bench.running() == []
    await bench.order("curtail.release")
    assert bench.running() == ["cpu", "gamma"]


async def test_a_deadline_counts_for_the_next_order() -> None:
    bench = OrderBench(None)
    bench.gamma.slow = True
    bench.reload(deadline=10.0)
    async with working(bench):
        bench.desk.take_message(order())
        await until(bench.steps)
        bench.clock.now += 5
        await asyncio.sleep(0.05)
        assert "late" not in bench.steps()
        bench.clock.now += 6
        await until(lambda: "late" in bench.steps())


async def test_trust_in_a_clock_comes_with_a_reload() -> None:
    bench = OrderBench(None, synchronized=False)

    bench.desk.configure(replace(bench.config, schedule=ScheduleConfig(trust_clock=True)))
    bench.desk.take_message(order(17, issued=bench.clock.wall() + 3600, expires=None))

    assert bench.told("event")[-1]["why"] == "from-the-future"


# --- contacts ---


def contact(file: Path) -> ContactConfig:
    return ContactConfig(file=file, poll=0.01, debounce=0.0)


async def test_another_contact_takes_over_what_the_first_one_ordered(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("1")
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.reload(contact=contact(first))
        await until(lambda: bench.running() == [])

        bench.reload(contact=contact(second))
        await until(lambda: bench.desk.contact.state == "unreadable")
        assert bench.running() == []
        first.write_text("0")
        second.write_text("1")
        await until(lambda: bench.desk.contact.state == "closed")
        assert bench.running() == []
        second.write_text("0")
        await until(lambda: bench.running() == ["cpu", "gamma"])


async def test_a_contact_that_is_taken_out_leaves_its_order_in_force(tmp_path: Path) -> None:
    file = tmp_path / "contact"
    file.write_text("1")
    bench = OrderBench(tmp_path)
    async with working(bench):
        bench.reload(contact=contact(file))
        await until(lambda: bench.running() == [])

        bench.reload(contact=None)

        assert bench.desk.contact.state == "none"
        assert bench.running() == []
        assert [told["issuer"] for told in bench.log.named("order.issuer_gone")] == ["contact"]
        file.write_text("0")
        bench.reload(contact=contact(file))
        await until(lambda: bench.running() == ["cpu", "gamma"])


# --- a lost signal ---


async def test_a_lost_signal_stays_lost_through_a_change_of_broker_and_contact(
    tmp_path: Path,
) -> None:
    bench = OrderBench(tmp_path, contact=contact(tmp_path / "none"), on_signal_lost="idle")
    bench.desk.contact._look()
    bench.clock.now += 61
    bench.desk._signal.look()
    assert bench.running() == []

    mqtt = replace(bench.config.mqtt, user="somebody")
    config = replace(bench.config, mqtt=mqtt)
    before = bench.link
    bench.broker.configure(config)
    bench.desk.configure(
        replace(config, curtail=replace(config.curtail, contact=contact(tmp_path)))
    )
    bench.desk._signal.look()

    assert bench.link is not before
    assert bench.running() == []
    assert len(bench.log.named("order.signal_lost")) == 1
    bench.link.lost_since = None
    bench.desk._signal.look()
    assert "the contact cannot be read" in bench.cpu.setpoint.reason


async def test_what_a_lost_signal_means_is_as_the_reload_says() -> None:
    bench = OrderBench(None)
    bench.clock.now += 61
    bench.desk._signal.look()
    assert bench.running() == ["cpu", "gamma"]

    bench.reload(on_signal_lost="idle")
    bench.desk._signal.look()
    assert bench.running() == []

    bench.reload(on_signal_lost="hold-until-expiry")
    bench.desk._signal.look()
    assert bench.running() == ["cpu", "gamma"]
