"""The broker through reloads: another one takes its place, and no order falls between the two."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stratum_client.api.control_lines import OrderError
from stratum_client.broker_desk import BrokerDesk
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, PoolConfig, RigConfig
from stratum_client.config_curtail import CurtailConfig, OrderKeyConfig
from stratum_client.config_mqtt import MqttConfig, parse_mqtt_url
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.control.power import Source
from stratum_client.daemon import Daemon
from stratum_client.pool_url import parse_pool_url
from stratum_client.reload import Settings
from tests.brokers import broker, site_at
from tests.control.signed_orders import SECRET, order
from tests.stand_ins import ManualClock, RecordingLog
from tests.tls_peers import free_port, until

PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
PASSWORD = "sesame-sesame"
OURS = "mine/kent/rig/r17"


def mqtt_at(port: int, **more: Any) -> MqttConfig:
    return MqttConfig(url=parse_mqtt_url(f"mqtt://127.0.0.1:{port}"), site="kent", **more)


def rig_with(mqtt: MqttConfig) -> Config:
    key = OrderKeyConfig(name="grid", secret=SECRET.decode())
    pool = PoolConfig(name="pool", url=parse_pool_url(f"127.0.0.1:{free_port()}"), user="a.b")
    device = DeviceConfig(name="hasher", driver="cpu", settings={"threads": 1})
    return Config(
        rig=RigConfig(name="r17", timezone="UTC"),
        pools=(pool,),
        devices=(device,),
        mqtt=mqtt,
        curtail=CurtailConfig(keys=(key,)),
    )


class RunningRig:
    """A daemon whose configuration stands in a variable."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.file, self.log, self.secrets = config, RecordingLog(), list[str]()
        self.daemon = Daemon(
            config,
            state_dir=folder,
            clock=SystemClock(),
            random=Random(1),
            log_for=lambda _: self.log,
            settings=Settings(
                load=lambda: self.file,
                change_log=lambda _, secrets: self.secrets.extend(secrets),
                keep_secret=self.secrets.append,
            ),
            synchronized=lambda: True,
        )
        self.broker, self.orders = self.daemon.site.broker, self.daemon.site.curtail

    async def reload(self, **sections: Any) -> Any:
        self.file = replace(self.file, **sections)
        return await self.daemon._reload.reload(by="a test")

    def held_by(self) -> list[str]:
        """Return whose orders hold the device."""
        held = [c.issuer for c in self.daemon.snapshot().claims if not c.limit.run]
        assert [c.issuer for c in self.orders.book.claims.claims] == held
        return held


@asynccontextmanager
async def running(config: Config, folder: Path) -> AsyncIterator[RunningRig]:
    rig = RunningRig(config, folder)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(rig.daemon.run())
        yield rig
        rig.daemon.stop()
        await task


async def test_a_reload_goes_over_to_another_broker_and_ends_no_order(tmp_path: Path) -> None:
    first, second, state = (tmp_path / name for name in ("first", "second", "state"))
    for folder in (first, second, state):
        folder.mkdir()
    message = order(17, issued=0, expires=None)
    async with (
        broker(first) as old_port,
        broker(second) as new_port,
        site_at(old_port) as old,
        site_at(new_port) as new,
        running(rig_with(mqtt_at(old_port)), state) as rig,
    ):
        await old.hears(lambda topic, said: topic == f"{OURS}/state" and b"true" in said)
        await old.client.publish("mine/kent/order/all", message, 1)
        await old.hears(lambda topic, said: topic == f"{OURS}/ack" and b'"accepted"' in said)
        await new.client.publish("mine/kent/order/all", message, 1, True)
        assert rig.held_by() == ["key grid"]

        reply = await rig.reload(mqtt=mqtt_at(new_port, user="r17", password=PASSWORD))
        assert rig.held_by() == ["key grid"]
        await old.hears(lambda topic, said: topic == f"{OURS}/state" and b"false" in said)
        known = json.loads(await new.hears(lambda topic, said: b'"known": true' in said))
        assert known["in_force"] is True

        await rig.reload(mqtt=MqttConfig(site="kent"))
        await new.hears(lambda topic, said: topic == f"{OURS}/state" and b"false" in said)
        assert (rig.broker.state, rig.held_by()) == ("none", ["key grid"])

        heard = len(old.heard)
        await rig.reload(mqtt=mqtt_at(old_port))
        await old.hears(lambda topic, said: b'"online": true' in said, after=heard)
        release = order(18, issued=0, expires=None, action="release")
        await old.client.publish("mine/kent/order/rig/r17", order(19, to="all"), 1)
        await old.hears(lambda _, said: b"wrong-target" in said, after=heard)
        assert rig.held_by() == ["key grid"]
        await old.client.publish("mine/kent/order/all", release, 1)
        await until(lambda: rig.held_by() == [])

    assert reply["needs_restart"] == []
    [change] = reply["changes"]
    assert f"mqtt.url mqtt://127.0.0.1:{old_port} -> mqtt://127.0.0.1:{new_port}" in change
    assert PASSWORD in rig.secrets
    assert PASSWORD not in repr((reply, rig.log.events))


async def test_a_wrong_section_refuses_the_whole_reload_and_the_link_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    (tmp_path / "state").mkdir()
    async with (
        broker(tmp_path) as port,
        running(rig_with(mqtt_at(port)), tmp_path / "state") as rig,
    ):
        await until(lambda: rig.broker.state == "connected")
        before, link = rig.daemon._reload.config, rig.broker.link
        url = parse_mqtt_url("mqtts://broker.example")
        lost = MqttConfig(url=url, site="kent", ca_file=tmp_path / "absent.pem")
        with pytest.raises(OrderError, match=r"nothing was changed: .*absent\.pem cannot be read"):
            await rig.reload(mqtt=lost, curtail=CurtailConfig())
        keys = (OrderKeyConfig(name="desk", public_key=PUBLIC_KEY),)
        with pytest.raises(OrderError, match=r"curtail.key\[1\].public_key: .*stratum-client\[sig"):
            await rig.reload(mqtt=MqttConfig(), curtail=CurtailConfig(keys=keys))

        assert rig.daemon._reload.config == before
        assert (rig.broker.link, rig.broker.state) == (link, "connected")
        rig.orders.take_message(order(17, issued=0, expires=None))
        assert rig.held_by() == ["key grid"]


async def test_a_plug_that_speaks_is_heard_as_soon_as_there_is_a_broker(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    meter = MeterConfig(source="mqtt", topic="tele/plug17/SENSOR", interval=1.0)
    deaf = replace(rig_with(MqttConfig()), power=PowerConfig(meter=meter, interval=0.2))
    async with broker(tmp_path) as port, site_at(port) as site, running(deaf, state) as rig:
        await until(lambda: rig.log.named("meter.unreadable"))
        await rig.reload(mqtt=mqtt_at(port))
        said = b'{"ENERGY":{"Power":61.5}}'

        async def speak() -> None:
            while True:
                await site.client.publish("tele/plug17/SENSOR", said, 1)
                await asyncio.sleep(0.2)

        plug = asyncio.create_task(speak())
        await until(lambda: (power := rig.daemon.snapshot().power) and power.watts == 61.5)
        plug.cancel()
        assert rig.daemon.site.meters.power
        assert rig.daemon.site.meters.power.total.source is Source.PLUG

        await rig.reload(power=PowerConfig())
        assert [pattern for pattern, _ in rig.broker._subscribed if "tele" in pattern] == []


MESSAGES = 400


async def test_what_the_broker_was_told_that_we_have_is_passed_on_whenever_the_link_ends(
    tmp_path: Path,
) -> None:
    heard = set[bytes]()
    sent = {b"%d" % number for number in range(MESSAGES)}
    async with broker(tmp_path, "allow_anonymous true", "max_inflight_messages 0") as port:
        desk = BrokerDesk(rig_with(mqtt_at(port)), clock=SystemClock(), random=Random(1), log=LOG)
        desk.subscribe("o", lambda _, payload: heard.add(payload), qos=1)
        async with site_at(port) as site, asyncio.TaskGroup() as group:
            task = group.create_task(desk.run())
            await until(lambda: desk.state == "connected")
            for number, payload in enumerate(sorted(sent)):
                await site.client.publish("o", payload, 1)
                if number % (MESSAGES // 8) == 20:
                    user = f"user-{number}"
                    desk.configure(rig_with(mqtt_at(port, user=user)))
            await until(lambda: heard == sent)
            task.cancel()


LOG = RecordingLog()


def desk_at(port: int) -> BrokerDesk:
    return BrokerDesk(
        rig_with(mqtt_at(port)), clock=ManualClock(), random=Random(1), log=RecordingLog()
    )


async def test_what_was_not_yet_sent_goes_to_the_next_broker_of_the_same_site() -> None:
    desk = desk_at(1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.run())
        await asyncio.sleep(0)
        desk.publish(f"{OURS}/ack", b"first")
        desk.configure(rig_with(mqtt_at(2)))
        desk.publish(f"{OURS}/ack", b"second")
        await until(lambda: desk.link and len(desk.link.unsent) == 2)
        assert desk.link
        assert [one.payload for one in desk.link.unsent] == [b"first", b"second"]
        desk.configure(rig_with(replace(mqtt_at(2), site="essex")))
        await until(lambda: len(named(desk, "mqtt.ended")) == 2)
        assert desk.link.unsent == ()
        assert desk.topic == "mine/essex/rig/r17"
        task.cancel()


def named(desk: BrokerDesk, event: str) -> list[dict[str, object]]:
    assert isinstance(desk._log, RecordingLog)
    return desk._log.named(event)


async def test_other_groups_need_no_other_link_and_another_password_does() -> None:
    desk = desk_at(1)
    link = desk.link

    desk.configure(rig_with(mqtt_at(1, groups=("hall-4",))))
    assert desk.link is link
    desk.configure(rig_with(mqtt_at(1, password="another one")))
    assert desk.link is not link
