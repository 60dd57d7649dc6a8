"""Orders to curtail, from wherever they come: obeyed, then written down, then acknowledged.

Orders of one issuer take each other's place; those of several all hold. They are limits of level
order, which `DeviceControl` is given anew at each start: what outlives the daemon lies in
`orders_store`, the orders and their numbers together. A reload ends none of them.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote

from drivers.api import Clock, Log
from stratum_client.broker_desk import BrokerDesk
from stratum_client.config import Config
from stratum_client.contact_watch import ISSUER as CONTACT
from stratum_client.contact_watch import ContactWatch
from stratum_client.control.claims import Claim, Level
from stratum_client.control.curtail import (
    Addressee,
    Known,
    Obey,
    OrderBook,
    Refused,
    issuer_of,
    judge,
)
from stratum_client.control.order_answers import OrderStats, acknowledgement, refusal_event
from stratum_client.control.order_message import CurtailOrder
from stratum_client.control.power import Reading, RigPower
from stratum_client.device_control import DeviceControl
from stratum_client.log_lines import utc
from stratum_client.order_follow_up import Acknowledge, FollowUp
from stratum_client.order_key_ring import key_ring
from stratum_client.orders_store import AGAIN_AFTER, OrdersStore
from stratum_client.signal_watch import SignalWatch
from stratum_client.supervise import SupervisedDevice

MOST_REMEMBERED = 256
"""Refused messages that are not told of again: a retained one comes with every connection."""

MOST_TOLD = 60
"""Refusals a minute that are told of; the rest is counted."""

_LOOK_AT_CLOCK = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A claim that was put in force, and how to acknowledge what comes of it."""

    claim: Claim | None
    at: float
    before: Reading | None
    acknowledge: Acknowledge


class CurtailDesk:
    """Without a ``state_dir`` nothing is remembered.

    ``synchronized`` is as in `clock_sync`; until a clock is, no order of a key ends by it, and no
    remembered one. Raises ConfigError for keys that need what is missing.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        devices: Callable[[], Sequence[SupervisedDevice]],
        broker: BrokerDesk,
        state_dir: Path | None,
        synchronized: Callable[[], bool | None],
        power: Callable[[], RigPower | None],
        clock: Clock,
        log: Log,
    ) -> None:
        self.control = control
        self.clock = clock
        self.store = OrdersStore(state_dir, lambda: self.book, clock=clock, log=log)
        self.book: OrderBook = OrderBook()
        self._take_settings(config)
        self._broker = broker
        self._topics: set[str] = set()
        self._synchronized = synchronized
        self._awaits_clock = False
        self._log = log
        self._follow_up = FollowUp(
            devices,
            power=power,
            allowed=lambda: control.budget.watts if control.budget else None,
            deadline=self.settings.deadline,
            clock=clock,
            log=log,
        )
        self.contact = ContactWatch(self.settings, self._contact_changed, clock=clock, log=log)
        self._signal = SignalWatch(self.settings, broker, self.contact, control, clock, log)
        self._received: list[_Received] = []
        self._known: list[CurtailOrder] = []
        self._has_received = asyncio.Event()
        self._refused: dict[str, None] = {}
        self._told: list[float] = []
        self._restore()
        self._listen()

    @property
    def stats(self) -> OrderStats:
        """Return how many orders were obeyed and refused, and how soon."""
        return self._follow_up.counts.stats

    def configure(self, config: Config) -> None:
        """Take orders of other keys, or by other ways, from now on.

        Orders in force stay, whoever gave them. Raises ConfigError as at the start.
        """
        before = self.settings, self._addressee, self._trusts_clock
        self._take_settings(config)
        if before == (self.settings, self._addressee, self._trusts_clock):
            return
        self._follow_up.deadline = self.settings.deadline
        self.contact.configure(self.settings)
        self._signal.configure(self.settings)
        self._refused.clear()
        self._listen()
        self._tell_of_the_orphaned()

    def _take_settings(self, config: Config) -> None:
        self._keys = key_ring(config)
        self.settings = config.curtail
        self._addressee = Addressee(
            rig=config.rig.name, site=config.mqtt.site, groups=config.mqtt.groups
        )
        self._trusts_clock = config.schedule.trust_clock

    async def run(self) -> None:
        """Write down, acknowledge and follow up what was put in force."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.contact.run(), name="contact")
            group.create_task(self._signal.run(), name="signal of orders")
            group.create_task(self._save_again(), name="orders that are over or not saved")
            group.create_task(self._await_clock(), name="clock of orders")
            while True:
                await self._has_received.wait()
                self._has_received.clear()
                received, self._received = self._received, []
                for one in received:
                    group.create_task(self._see_through(one), name="order")
                known, self._known = self._known, []
                for order in known:
                    group.create_task(self._acknowledge_known(order), name="known order")

    # -- by MQTT

    @property
    def _orders(self) -> str:
        return f"mine/{self._addressee.site}/order"

    def _listen(self) -> None:
        """Hear what is ordered of this rig; what is retained comes once more."""
        is_heard = "mqtt" in self.settings.sources and self._keys
        targets = self._addressee.targets if is_heard else ()
        before, self._topics = self._topics, {f"{self._orders}/{target}" for target in targets}
        for topic in before - self._topics:
            self._broker.unsubscribe(topic, self._take_from_topic)
        for topic in self._topics:
            self._broker.subscribe(topic, self._take_from_topic, qos=1)

    def _take_from_topic(self, topic: str, message: bytes) -> None:
        self.take_message(message, addressed=topic.removeprefix(f"{self._orders}/"))

    def take_message(self, message: bytes, *, addressed: str | None = None) -> None:
        """Obey a signed order, or refuse it; may be called from a callback."""
        received = self.clock.monotonic()
        verdict = judge(
            message,
            keys=self._keys,
            book=self.book,
            addressee=self._addressee,
            addressed=addressed,
            now=self.clock.wall(),
            is_clock_trusted=not self._awaits_clock or self._is_believed(),
        )
        match verdict:
            case Obey(order=order):
                self._obey(order, received)
            case Known(order=order):
                self._say_again(order)
            case Refused():
                self._refuse(verdict, message)

    def _obey(self, order: CurtailOrder, received: float) -> None:
        book = self.book.after(order, self.clock.wall())
        action = str(order.action)
        self._log.info("order.received", key=order.key, number=order.number, action=action)
        acknowledge = partial(self._acknowledge, order)
        issuer, awaits = issuer_of(order.key), self._awaits_clock
        self.put_in_force(book, issuer, received, acknowledge, by_issuers_clock=awaits)
        if awaits and order.expires is not None:
            self._log.warning("order.clock_unsynchronized", orders=1)

    def _say_again(self, order: CurtailOrder) -> None:
        """Acknowledge once more what was obeyed, when it is stored: its issuer may not know."""
        self._known.append(order)
        self._has_received.set()

    async def _acknowledge_known(self, order: CurtailOrder) -> None:
        problem = await self.store.save()
        claim = self.book.in_force(self.clock.wall()).of(issuer_of(order.key))
        is_idle = claim is not None and not claim.limit.run and not self._follow_up.awake()
        told = {"durable": not problem, "in_force": claim is not None, "idle": is_idle}
        self._acknowledge(order, "accepted", known=True, **told)

    def _refuse(self, refused: Refused, message: bytes) -> None:
        """Say why an order is not obeyed, once for each message and not without end."""
        self._follow_up.counts.refused(refused.why)
        digest, now = hashlib.sha256(message).hexdigest(), self.clock.monotonic()
        self._told = [at for at in self._told if now - at < 60.0]
        if digest in self._refused or len(self._told) >= MOST_TOLD:
            return
        self._refused[digest] = None
        if len(self._refused) > MOST_REMEMBERED:
            del self._refused[next(iter(self._refused))]
        self._told.append(now)
        order = refused.order
        who = {"key": order.key, "number": order.number} if order else {}
        self._log.warning("order.refused", why=str(refused.why), reason=refused.problem, **who)
        event = refusal_event(refused, self._addressee.rig, self.clock.wall())
        self._broker.publish(f"{self._broker.topic}/event", event)
        if order:
            self._acknowledge(order, "refused", why=str(refused.why), problem=refused.problem)

    def _acknowledge(self, order: CurtailOrder, step: str, **fields: object) -> None:
        told = acknowledgement(order, self._addressee.rig, step, self.clock.wall(), **fields)
        self._broker.publish(f"{self._broker.topic}/ack", told)

    # -- from anywhere

    def put_in_force(
        self,
        book: OrderBook,
        issuer: str,
        received: float,
        acknowledge: Acknowledge = lambda *_, **__: None,
        *,
        by_issuers_clock: bool = False,
    ) -> None:
        """Go by ``book`` from now on, which differs in what ``issuer`` orders.

        Devices are told within this call; the rest follows. ``received`` is on the monotonic clock.
        What ends ``by_issuers_clock`` does so only when ours is right too.
        """
        before = self._follow_up.measured() if self._follow_up.awake() else None
        self.book = book
        claim = book.of(issuer)
        held = replace(claim, until=None) if claim and by_issuers_clock else claim
        self.control.take(Level.ORDER, issuer, [held] if held else [])
        if claim:
            self._follow_up.counts.obeyed += 1
        self._received.append(
            _Received(claim=claim, at=received, before=before, acknowledge=acknowledge)
        )
        self._has_received.set()

    def release(self, claim: Claim, *, by: str) -> None:
        """End an order, whoever gave it; to be saved afterwards."""
        self._log.info("order.released", issuer=claim.issuer, by=by)
        self.book = self.book.released([claim.issuer])
        self.control.take(Level.ORDER, claim.issuer, [])

    def _contact_changed(self, claim: Claim | None, issuer: str) -> None:
        left = self.book.released([issuer])
        if bool(claim) != bool(self.book.of(issuer)):
            book = left.stated(claim) if claim else left
            self.put_in_force(book, issuer, self.clock.monotonic())

    async def _see_through(self, received: _Received) -> None:
        problem = await self.store.save()
        claim = received.claim
        limit = {"limit": str(claim.limit), "until": claim.until} if claim else {"limit": "free"}
        durable = {"durable": not problem, **({"problem": problem} if problem else {})}
        received.acknowledge("accepted", **durable, **limit)
        if claim is None:
            return
        await self._follow_up.see_through(
            claim,
            received.at,
            received.before,
            is_current=lambda: self._is_held(claim),
            acknowledge=received.acknowledge,
        )

    def _is_held(self, claim: Claim) -> bool:
        """Return whether ``claim`` is in force, maybe without its end as the clock is not right."""
        held = self.control.claims.claims
        return claim in held or replace(claim, until=None) in held

    async def _save_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_AFTER)
            over = self._over()
            self.book = self.book.released(over)
            if over or self.store.problem:
                await self.store.save()

    def _over(self) -> list[str]:
        """Return whose orders have expired, but for those that are held as no clock is right."""
        now, claims = self.clock.wall(), self.book.claims.claims
        return [one.issuer for one in claims if not (one.holds(now) or self._is_held(one))]

    def _restore(self) -> None:
        """Put in force what outlived the last daemon, before any device runs."""
        self.book = self.store.restored()
        self._hold_on()
        self._tell_of_the_orphaned()

    @property
    def orphaned(self) -> tuple[Claim, ...]:
        """Return the orders that nobody can release any more but by force."""
        there = {issuer_of(key) for key in self._keys}
        there |= {CONTACT} if self.contact.settings else set()
        gone = (claim for claim in self.book.claims.claims if claim.issuer not in there)
        return tuple(c for c in gone if c.issuer == CONTACT or c.issuer.startswith(issuer_of("")))

    def _tell_of_the_orphaned(self) -> None:
        for claim in self.orphaned:
            end = f"stratum-client curtail release --force --issuer {quote(claim.issuer)}"
            until = "released" if claim.until is None else utc(claim.until)
            fields = {"order": claim.reason, "holds_until": until, "ended_by": end}
            self._log.warning("order.issuer_gone", issuer=claim.issuer, **fields)

    def _hold_on(self) -> None:
        """State what the book has; what a clock says of its end counts once that is believed."""
        is_believed = self._is_believed()
        self._awaits_clock = not is_believed
        if is_believed:
            self.book = self.book.in_force(self.clock.wall())
        for claim in self.book.claims.claims:
            held = claim if is_believed else replace(claim, until=None)
            self.control.take(Level.ORDER, claim.issuer, [held])

    def _is_believed(self) -> bool:
        return self._trusts_clock or self._synchronized() is not False

    async def _await_clock(self) -> None:
        """Let orders end when they should as soon as the clock is right."""
        if not self._awaits_clock:
            return
        held = len(self.book.claims.claims)
        if held:
            self._log.warning("order.clock_unsynchronized", orders=held)
        while not self._is_believed():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(_LOOK_AT_CLOCK)
        before = [claim.issuer for claim in self.book.claims.claims]
        self._hold_on()
        for issuer in before:
            if not self.book.of(issuer):
                self.control.take(Level.ORDER, issuer, [])
