"""The connection to the broker, a real Mosquitto: it comes back, and nobody waits for it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from stratum_client.clock import SystemClock
from stratum_client.config_mqtt import MqttConfig, parse_mqtt_url
from stratum_client.control.io import mqtt_link
from stratum_client.control.io.mqtt_link import COMMAND, MOST_UNSENT, NEEDS_EXTRA, MqttLink
from stratum_client.doctor import Status, broker_check
from tests.brokers import broker, site_at
from tests.certificates import Authority
from tests.stand_ins import RecordingLog
from tests.tls_peers import free_port, until


def link_to(url: str, log: RecordingLog, **more: object) -> MqttLink:
    config = MqttConfig(url=parse_mqtt_url(url), site="kent", **more)  # type: ignore[arg-type]  # by name
    return MqttLink(config, "r17", clock=SystemClock(), random=Random(1), log=log)


@asynccontextmanager
async def running(link: MqttLink) -> AsyncIterator[None]:
    task = asyncio.create_task(link.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_messages_go_both_ways_and_the_state_says_who_is_there(tmp_path: Path) -> None:
    log, heard = RecordingLog(), list[tuple[str, bytes]]()
    async with broker(tmp_path) as port, site_at(port) as site:
        link = link_to(f"mqtt://localhost:{port}", log)
        link.subscribe("mine/kent/order/#", lambda topic, payload: heard.append((topic, payload)))
        link.publish("mine/kent/rig/r17/event", b"before")
        async with running(link):
            await site.hears(lambda topic, payload: payload == b"before")
            await until(lambda: link.is_connected)
            await site.client.publish("mine/kent/order/all", b"stop", 1)
            await site.client.publish("mine/kent/other", b"no", 1)
            await until(lambda: heard)
            link.subscribe("late", lambda topic, payload: heard.append((topic, payload)), qos=1)
            await site.client.publish("late", b"but kept", 1, retain=True)
            await until(lambda: len(heard) > 1)
        state = await site.hears(lambda topic, payload: b"online" in payload)
        gone = await site.hears(lambda topic, payload: b'"online": false' in payload)

    assert heard == [("mine/kent/order/all", b"stop"), ("late", b"but kept")]
    assert json.loads(state)["online"] is True
    assert json.loads(gone)["online"] is False
    assert log.named("mqtt.lost") == []


async def test_who_has_unsubscribed_hears_no_more_and_the_broker_keeps_nothing_for_him(
    tmp_path: Path,
) -> None:
    heard, other = list[bytes](), list[bytes]()

    def take(_: str, payload: bytes) -> None:
        heard.append(payload)

    async with broker(tmp_path) as port, site_at(port) as site:
        link = link_to(f"mqtt://127.0.0.1:{port}", RecordingLog())
        link.subscribe("a", take, qos=1)
        link.subscribe("b", take, qos=1)
        link.subscribe("b", lambda _, payload: other.append(payload), qos=1)
        async with running(link):
            await until(lambda: link.is_connected)
            link.unsubscribe("a", take)
            link.unsubscribe("b", take)
            link.publish("end", b"of that")
            await site.hears(lambda topic, _: topic == "end")
        await site.client.publish("a", b"not wanted", 1)
        await site.client.publish("b", b"wanted by one", 1)
        again = link_to(f"mqtt://127.0.0.1:{port}", RecordingLog())
        again.subscribe("+", take)
        async with running(again):
            await until(lambda: heard)

    assert heard == [b"wanted by one"]
    assert other == []


async def test_a_broker_that_comes_back_is_found_again_and_kept_its_orders(tmp_path: Path) -> None:
    log, heard, port = RecordingLog(), list[bytes](), free_port()
    link = link_to(f"mqtt://127.0.0.1:{port}", log)
    link.subscribe("mine/kent/order/all", lambda _, payload: heard.append(payload), qos=1)
    async with running(link):
        await until(lambda: log.named("mqtt.lost"))
        async with broker(tmp_path, port=port):
            await until(lambda: link.is_connected)
        await until(lambda: not link.is_connected)
        link.publish("t", b"first")
        async with broker(tmp_path, port=port), site_at(port) as site:
            await site.hears(lambda topic, payload: (topic, payload) == ("t", b"first"))
            link.publish("t", b"second")
            await site.hears(lambda topic, payload: (topic, payload) == ("t", b"second"))
            await until(lambda: link.is_connected)

    assert len(log.named("mqtt.lost")) <= 4, "the same trouble is told once"
    assert "nothing listens" in str(log.named("mqtt.lost")[0]["error"])


async def test_orders_sent_while_the_rig_is_away_are_kept_for_it(tmp_path: Path) -> None:
    heard = list[bytes]()

    def link_at(port: int) -> MqttLink:
        link = link_to(f"mqtt://127.0.0.1:{port}", RecordingLog())
        link.subscribe("o", lambda _, payload: heard.append(payload), qos=1)
        return link

    async with broker(tmp_path) as port, site_at(port) as site:
        first, second = link_at(port), link_at(port)
        async with running(first):
            await until(lambda: first.is_connected)
        await site.client.publish("o", b"stop", 1)
        async with running(second):
            await until(lambda: heard)

    assert heard == [b"stop"]


async def test_what_the_broker_retains_is_for_who_asks_for_it(tmp_path: Path) -> None:
    meter, order = list[bytes](), list[bytes]()
    async with broker(tmp_path) as port, site_at(port) as site:
        await site.client.publish("tele/plug", b"old", 1, retain=True)
        link = link_to(f"mqtt://127.0.0.1:{port}", RecordingLog())
        link.subscribe("tele/plug", lambda _, payload: meter.append(payload))
        link.subscribe("tele/#", lambda _, payload: order.append(payload), qos=1)
        async with running(link):
            await until(lambda: b"old" in order)
            await site.client.publish("tele/plug", b"new", 1, retain=True)
            await until(lambda: b"new" in meter)

    assert b"old" not in meter


async def test_a_link_that_crashes_counts_as_lost(tmp_path: Path) -> None:
    async with broker(tmp_path) as port, site_at(port) as site:
        link = link_to(f"mqtt://127.0.0.1:{port}", RecordingLog())
        link.subscribe("order", lambda _, payload: [][len(payload)], qos=1)
        task = asyncio.create_task(link.run())
        await until(lambda: link.is_connected)
        assert link.lost_since is None
        await site.client.publish("order", b"!", 1)
        await asyncio.wait([task])

    assert task.exception() is not None
    assert (link.is_connected, link.lost_since is None) == (False, False)
    assert "mistake" in link.problem


async def test_a_login_that_is_refused_is_told_and_the_password_is_not(tmp_path: Path) -> None:
    log = RecordingLog()
    async with broker(tmp_path, "allow_anonymous false") as port:
        link = link_to(f"mqtt://127.0.0.1:{port}", log, user="r17", password="sesame")
        async with running(link):
            await until(lambda: log.named("mqtt.lost"))

    assert "does not let us in" in str(log.named("mqtt.lost")[0]["error"])
    assert "sesame" not in repr(log.events)
    assert "sesame" not in repr(link.__dict__["_config"])


async def test_a_broker_by_tls_is_trusted_for_its_ca_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    signed = authority.leaf("broker", "DNS:localhost")
    tls = (f"certfile {signed.chain}", f"keyfile {signed.key}", "allow_anonymous true")
    trusting, doubting = RecordingLog(), RecordingLog()
    async with broker(tmp_path, *tls) as port:
        url = f"mqtts://localhost:{port}"
        link = link_to(url, trusting, ca_file=authority.root.certificate)
        other = link_to(url, doubting)
        async with running(link), running(other):
            await until(lambda: link.is_connected and doubting.named("mqtt.lost"))

    assert "its certificate is not trusted" in str(doubting.named("mqtt.lost")[0]["error"])
    assert trusting.named("mqtt.lost") == []


async def test_what_waits_is_bounded_and_of_retained_messages_the_newest() -> None:
    link = link_to("mqtt://127.0.0.1:1", RecordingLog())

    for number in range(MOST_UNSENT + 5):
        link.publish("t", b"%d" % number)
    link.publish("s", b"old", retain=True)
    link.publish("s", b"new", retain=True)

    assert len(link._unsent) == MOST_UNSENT
    assert [one.payload for one in link._unsent if one.retain] == [b"new"]


async def test_without_the_extra_the_command_is_told_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    log = RecordingLog()

    await link_to("mqtt://127.0.0.1:1", log).run()

    [told] = log.named("mqtt.unavailable")
    assert "pip install 'stratum-client[mqtt]'" in str(told["reason"])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mqtt://broker.example", "mqtt://broker.example:1883"),
        ("MQTTS://broker.example", "mqtts://broker.example:8883"),
        ("mqtt://[::1]", "mqtt://[::1]:1883"),
        ("mqtt://[::1]:77/", "mqtt://[::1]:77"),
    ],
)
def test_addresses_of_brokers(written: str, shown: str) -> None:
    assert str(parse_mqtt_url(written)) == shown


@pytest.mark.parametrize("written", ["broker", "http://b", "mqtt://", "mqtt://u:p@b", "mqtt://b:0"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mqtt_url(written)


async def test_whether_a_broker_lets_us_in_is_found_without_a_word(tmp_path: Path) -> None:
    async with broker(tmp_path) as port, site_at(port) as site:
        good = await link_to(f"mqtt://127.0.0.1:{port}", RecordingLog()).problem_found()
        await site.client.publish("end", b"", 1)
        await site.hears(lambda topic, _: topic == "end")
        heard = [topic for topic, _, _ in site.heard]
    (tmp_path / "strict").mkdir()
    async with broker(tmp_path / "strict", "allow_anonymous false") as port:
        bad = await link_to(f"mqtt://127.0.0.1:{port}", RecordingLog()).problem_found()
    gone = await link_to(f"mqtt://127.0.0.1:{port}", RecordingLog()).problem_found()

    assert (good, heard) == ("", ["end"])
    assert "does not let us in" in bad
    assert "nothing listens" in gone


def test_the_doctor_says_what_a_broker_that_is_away_means() -> None:
    well, ill = broker_check("mqtt://b:1", ""), broker_check("mqtt://b:1", NEEDS_EXTRA)

    assert well.status is Status.OK
    assert ill.status is Status.WARNING
    assert ill.fix == COMMAND
    assert "orders and meters by MQTT do not reach this rig" in ill.text


class ForgetfulClient:
    """Loses the cancellation that comes while it publishes, as the library may on Python 3.11."""

    def __init__(self) -> None:
        self.is_waiting = asyncio.Event()

    async def publish(self, *_: object, **__: object) -> None:
        self.is_waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return


class DenyingClient:
    """Stands for a broker that lets nobody hear of orders."""

    async def subscribe(self, pattern: str, _: int) -> list[ReasonCode]:
        is_order = pattern.startswith("mine/")
        return [ReasonCode(PacketTypes.SUBACK, identifier=0x87 if is_order else 0)]

    async def publish(self, *_: object, **__: object) -> None:
        return


def ignore(_topic: str, _payload: bytes) -> None:
    return


async def test_a_broker_that_lets_us_hear_no_orders_counts_as_lost() -> None:
    log = RecordingLog()
    link = link_to("mqtt://localhost:1", log)
    since = link.lost_since
    link.subscribe("tele/plug", lambda *_: None)
    link.subscribe("mine/kent/order/all", ignore, qos=1)

    await link._greet(DenyingClient())  # type: ignore[arg-type]  # as far as asked

    assert (link.is_connected, link.lost_since) == (True, since)
    assert link.problem == "it does not let us hear mine/kent/order/all: Not authorized"
    assert len(log.named("mqtt.refused")) == 1
    link.unsubscribe("mine/kent/order/all", ignore)
    assert (link.lost_since, link.problem) == (None, "")


async def test_a_cancellation_that_comes_with_an_answer_ends_the_link_all_the_same() -> None:
    link, client = link_to("mqtt://localhost:1", RecordingLog()), ForgetfulClient()
    link.publish("mine/kent/rig/r17/event", b"one")
    sending = asyncio.create_task(link._send_all(client))  # type: ignore[arg-type]  # as far as asked
    await client.is_waiting.wait()

    sending.cancel()
    await asyncio.wait([sending], timeout=30.0)

    assert sending.cancelled()


def test_one_wake_up_stands_for_all_that_came_and_there_is_an_end_to_it() -> None:
    came = list[object]()
    inbox = mqtt_link._Inbox(came)

    for number in range(mqtt_link.MOST_UNREAD):
        inbox.put_nowait(number)
    with pytest.raises(asyncio.QueueFull):
        inbox.put_nowait("too much")

    assert came == list(range(mqtt_link.MOST_UNREAD))
    assert inbox.qsize() == 1
