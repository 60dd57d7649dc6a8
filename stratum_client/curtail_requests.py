"""Orders to curtail over the control socket, and what is to be known of all orders.

| request | other keys (optional in brackets) | result |
|---|---|---|
| curtail | one of idle, watts, percent; [seconds or until, reason, dry_run] | limit, reason, until, devices, durable, problem |
| curtail.release | [force, issuer, dry_run] | released, held, devices, durable, problem |
| curtail.list | | orders, contact, broker, counts |

A user has one order, which a later one replaces, and ends it alone. Those of others end by force,
which is written to the audit trail first.
"""  # noqa: E501 - a table

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from drivers.api import Log
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.broker_desk import BrokerDesk
from stratum_client.control.claims import Claim, Claims, Level, Limit
from stratum_client.control.curtail import limit_of
from stratum_client.control.local_time import first_moment, instant_of, shown_at
from stratum_client.control.order_message import Action
from stratum_client.curtail_desk import CurtailDesk
from stratum_client.log_lines import utc

LONGEST = 10 * 365 * 86_400.0

_MOST_WATTS = 1e9


class CurtailRequests:
    """Follows requests; times of day are of ``timezone``."""

    def __init__(self, desk: CurtailDesk, *, broker: BrokerDesk, timezone: str, log: Log) -> None:
        self._desk = desk
        self._broker = broker
        self._zone = ZoneInfo(timezone)
        self._log = log

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {
            "curtail": self._curtail,
            "curtail.release": self._release,
            "curtail.list": self._list,
        }

    async def _curtail(self, order: Order) -> Reply:
        desk = self._desk
        if "api" not in desk.settings.sources:
            raise OrderError('orders over the control socket are switched off: "api" in sources')
        received, claim = desk.clock.monotonic(), self._claim(order)
        book = desk.book.stated(claim)
        result = {
            "limit": str(claim.limit),
            "reason": claim.reason,
            "until": None if claim.until is None else utc(claim.until),
        }
        if order.flag("dry_run"):
            return {**desk.control.rows(desk.control.claims.stated(claim)), **result}
        self._log.info("order.received", by=order.by, limit=str(claim.limit))
        desk.put_in_force(book, claim.issuer, received)
        return {**await self._saved(), **result}

    async def _release(self, order: Order) -> Reply:
        desk, wanted = self._desk, order.text_or_nothing("issuer") or None
        force = order.flag("force")
        holding = [c for c in desk.control.claims.claims if c.level is Level.ORDER]
        named = [c for c in holding if wanted in {None, c.issuer}]
        if wanted and not named:
            raise OrderError(f"{wanted} orders nothing")
        released = named if force else [c for c in named if c.issuer == order.by]
        told = [claim.reason for claim in released]
        if order.flag("dry_run"):
            left = _without(desk.control.claims, released)
            held = [claim.reason for claim in holding if claim not in released]
            return {**desk.control.rows(left), "released": told, "held": held}
        problem = await self._audit([c for c in released if c.issuer != order.by], order)
        for claim in released:
            if claim in desk.control.claims.claims:  # else a newer one came in the meantime
                desk.release(claim, by=order.by)
        held = [c.reason for c in desk.control.claims.claims if c.level is Level.ORDER]
        saved = await self._saved()
        return {**saved, "released": told, "held": held, "problem": saved["problem"] or problem}

    async def _audit(self, forced: Sequence[Claim], order: Order) -> str:
        """Note who ends what others ordered; return why that did not work."""
        if not forced:
            return ""
        reasons = [claim.reason for claim in forced]
        self._log.warning("order.released_by_force", by=order.by, orders=reasons)
        remark = order.text_or_nothing("reason")
        fields = {"by": order.by, "orders": reasons, "reason": remark}
        return await self._desk.store.audit("order.released_by_force", fields)

    async def _saved(self) -> dict[str, object]:
        problem = await self._desk.store.save()
        devices = self._desk.control.rows(self._desk.control.claims)
        return {**devices, "durable": not problem, "problem": problem}

    def _list(self, _order: Order) -> Reply:
        desk = self._desk
        taken = {f"key {name}": one.number for name, one in desk.book.taken.items()}
        orders = [c for c in desk.control.claims.claims if c.level is Level.ORDER]
        orphaned = {claim.issuer for claim in desk.orphaned}
        return {
            "orders": [
                {**_row(claim), "issuer_gone": claim.issuer in orphaned} for claim in orders
            ],
            "numbers": taken,
            "contact": desk.contact.state,
            "broker": self._broker.state,
            "counts": desk.stats.json(),
        }

    # -- what is ordered

    def _claim(self, order: Order) -> Claim:
        now = self._desk.clock.wall()
        return Claim(
            level=Level.ORDER,
            issuer=order.by,
            limit=_limit(order),
            cause=f"curtailed by {order.by}",
            remark=order.text_or_nothing("reason"),
            since=now,
            until=self._until(order, now),
        )

    def _until(self, order: Order, now: float) -> float | None:
        seconds, until = order.number_or_nothing("seconds", 1, LONGEST), order.fields.get("until")
        if until is None:
            return None if seconds is None else now + seconds
        if seconds is not None:
            raise OrderError('"seconds" and "until" do not go together')
        at = moment_of(order.text("until"), self._zone, now)
        if not now < at <= now + LONGEST:
            raise OrderError(f"{order.text('until')} is not a time to come")
        return at


def moment_of(text: str, zone: ZoneInfo, now: float) -> float:
    """Return the next instant that ``text`` names, a time of day or a date with one.

    Without an offset it is of ``zone``. Raises OrderError.
    """
    try:
        if len(text) <= len("00:00:00"):
            hours = datetime.strptime(text, "%H:%M")  # noqa: DTZ007 - a time of day, of any day
            minutes, today = hours.hour * 60 + hours.minute, shown_at(now, zone).date()
            at = first_moment(today, minutes, zone)
            return at if at > now else first_moment(today + timedelta(days=1), minutes, zone)
        return instant_of(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError) as error:
        raise OrderError(f"{text!r} is no time, as in 18:00 or 2026-12-05T18:00") from error


def _limit(order: Order) -> Limit:
    watts = order.number_or_nothing("watts", 0, _MOST_WATTS)
    percent = order.number_or_nothing("percent", 0, 100)
    if [order.flag("idle"), watts is not None, percent is not None].count(True) != 1:
        raise OrderError('one of "idle", "watts" and "percent" says what is ordered')
    if watts == 0 or percent == 0 or order.flag("idle"):
        return limit_of(Action.IDLE, None)
    return limit_of(Action.PERCENT if watts is None else Action.WATTS, watts or percent)


def _row(claim: Claim) -> Mapping[str, object]:
    return {
        "issuer": claim.issuer,
        "limit": str(claim.limit),
        "reason": claim.reason,
        "since": utc(claim.since),
        "until": None if claim.until is None else utc(claim.until),
    }


def _without(claims: Claims, gone: Sequence[Claim]) -> Claims:
    for claim in gone:
        claims = claims.withdrawn(*claim.key)
    return claims
