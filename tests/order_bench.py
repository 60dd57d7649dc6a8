"""Two devices, and a desk that takes orders to curtail; the broker's side is what would be sent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from stratum_client.api.control_lines import Order
from stratum_client.broker_desk import BrokerDesk
from stratum_client.config import Config, RigConfig
from stratum_client.config_curtail import CurtailConfig, OrderKeyConfig
from stratum_client.config_mqtt import MqttConfig, parse_mqtt_url
from stratum_client.control.io.mqtt_link import MqttLink
from stratum_client.control.power import RigPower
from stratum_client.curtail_desk import CurtailDesk
from stratum_client.curtail_requests import CurtailRequests
from tests.control.signed_orders import NOW, SECRET
from tests.test_device_control import Bench

KEY = OrderKeyConfig(name="grid", secret=SECRET.decode())


class OrderBench(Bench):
    """A rig called r17 of the site kent and the group hall-4."""

    def __init__(
        self,
        folder: Path | None,
        *,
        by: str = "user miner",
        port: int = 1,
        wall: float = NOW,
        synchronized: bool = True,
        **curtail: Any,
    ) -> None:
        super().__init__(folder)
        self.clock.set_wall(wall)
        self.folder = folder
        self.by = by
        self.power: RigPower | None = None
        self.synchronized = synchronized
        url = parse_mqtt_url(f"mqtt://127.0.0.1:{port}")
        config = Config(
            rig=RigConfig(name="r17", timezone="Asia/Almaty"),
            mqtt=MqttConfig(url=url, site="kent", groups=("hall-4",)),
            curtail=CurtailConfig(**{"keys": (KEY,), **curtail}),
        )
        self.config = config
        self.broker = BrokerDesk(config, clock=self.clock, random=Random(1), log=self.log)
        self.desk = CurtailDesk(
            config,
            control=self.control,
            devices=lambda: self.devices,
            broker=self.broker,
            state_dir=folder,
            synchronized=lambda: self.synchronized,
            power=lambda: self.power,
            clock=self.clock,
            log=self.log,
        )
        self.requests = CurtailRequests(
            self.desk, broker=self.broker, timezone="Asia/Almaty", log=self.log
        )

    @property
    def link(self) -> MqttLink:
        assert self.broker.link
        return self.broker.link

    def reload(self, **curtail: Any) -> None:
        """Go on with other settings of orders."""
        self.config = replace(self.config, curtail=replace(self.config.curtail, **curtail))
        self.desk.configure(self.config)

    async def order(self, what: str, **fields: object) -> Any:
        """Ask over the control socket."""
        reply = self.requests.handlers[what](Order(fields=fields, by=self.by))
        return reply if isinstance(reply, Mapping) else await reply

    def told(self, topic: str = "ack") -> list[dict[str, Any]]:
        """Return what went to a topic of the rig."""
        sent = [
            one.payload for one in self.link._unsent if one.topic == f"mine/kent/rig/r17/{topic}"
        ]
        return [json.loads(payload) for payload in sent]

    def steps(self, number: int | None = None) -> list[str]:
        return [ack["step"] for ack in self.told() if number in {None, ack["number"]}]

    def state(self) -> tuple[object, ...]:
        """Return all that an order may change."""
        file = self.folder / "orders.json" if self.folder else None
        content = file.read_bytes() if file and file.exists() else b""
        told = tuple(device.setpoint for device in self.devices)
        return self.control.claims, self.desk.book, content, told


@contextlib.asynccontextmanager
async def working(bench: OrderBench) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bench.desk.run()), group.create_task(bench.control.run())]
        yield
        for task in tasks:
            task.cancel()
