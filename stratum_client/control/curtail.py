"""Orders to curtail that come from outside: for this rig, in time, in number, obeyed once; pure.

Who signed them, and what they say, is found out in `order_message`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from stratum_client.control.claims import IDLE, Claim, Claims, Level, Limit
from stratum_client.control.order_message import (
    Action,
    CurtailOrder,
    Key,
    Refusal,
    RefusedOrderError,
    order_in,
)

AHEAD = 60.0
"""Seconds by which an issuer's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """The rig as orders name it."""

    rig: str
    site: str
    groups: Collection[str] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Return all that this rig is meant by."""
        return ("all", *(f"group/{group}" for group in self.groups), f"rig/{self.rig}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The last order that was obeyed of a key."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """What orders hold the rig, one of each issuer, and the last number of each key."""

    claims: Claims = field(default_factory=Claims)
    taken: Mapping[str, Taken] = field(default_factory=dict)

    def after(self, order: CurtailOrder, now: float) -> "OrderBook":
        """Return the book once ``order`` is obeyed: it takes the place of its issuer's last."""
        taken = Taken(number=order.number, digest=order.digest)
        left = self.released([issuer_of(order.key)])
        claim = claim_of(order, now)
        return OrderBook(
            claims=left.claims.stated(claim) if claim else left.claims,
            taken={**self.taken, order.key: taken},
        )

    def stated(self, claim: Claim) -> "OrderBook":
        """Return the book with an order that has no number."""
        return replace(self, claims=self.claims.stated(claim))

    def released(self, issuers: Collection[str]) -> "OrderBook":
        """Return the book without what these issuers ordered."""
        left = self.claims
        for claim in self.claims.claims:
            if claim.issuer in issuers:
                left = left.withdrawn(*claim.key)
        return replace(self, claims=left)

    def in_force(self, now: float) -> "OrderBook":
        """Return the book without orders that have expired; numbers stay for good."""
        return replace(self, claims=self.claims.in_force(now))

    def of(self, issuer: str) -> Claim | None:
        """Return what an issuer orders now, None if nothing."""
        return next((claim for claim in self.claims.claims if claim.issuer == issuer), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obey:
    """The order is good and new."""

    order: CurtailOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The very message was obeyed before, and nothing newer of its issuer since."""

    order: CurtailOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The order is not obeyed; ``order`` is None unless its signature is right."""

    why: Refusal
    problem: str
    order: CurtailOrder | None = None


Verdict = Obey | Known | Refused


def judge(
    message: bytes,
    *,
    keys: Mapping[str, Key],
    book: OrderBook,
    addressee: Addressee,
    addressed: str | None,
    now: float,
    is_clock_trusted: bool = True,
) -> Verdict:
    """Return what to do about ``message``, which was sent to the target ``addressed``, if known.

    A clock that nobody has synchronized does not say what is of the future, or of the past.
    """
    try:
        order = order_in(message, keys)
        _check_target(order, addressee, addressed)
        if last := book.taken.get(order.key):
            if order.digest == last.digest:
                return Known(order=order)
            _check_number(order, last)
        _check_time(order, now, is_clock_trusted=is_clock_trusted)
    except RefusedOrderError as error:
        return Refused(why=error.why, problem=error.problem, order=error.order)
    return Obey(order=order)


def issuer_of(key: str) -> str:
    """Return how claims call whoever has a key."""
    return f"key {key}"


def limit_of(action: Action, value: float | None) -> Limit:
    """Return the limit that an action states; ``value`` in watts or percent."""
    if action is Action.IDLE:
        return IDLE
    assert value is not None
    return Limit(rig_watts=value) if action is Action.WATTS else Limit(share=value / 100)


def claim_of(order: CurtailOrder, now: float) -> Claim | None:
    """Return what an order makes of the rig from ``now`` on; None if it releases it."""
    if order.action is Action.RELEASE:
        return None
    return Claim(
        level=Level.ORDER,
        issuer=issuer_of(order.key),
        limit=limit_of(order.action, order.value),
        cause=f"order {order.number} of {order.key} to {order.target}",
        remark=order.reason,
        since=now,
        until=order.expires,
    )


def _check_target(order: CurtailOrder, addressee: Addressee, addressed: str | None) -> None:
    problem = ""
    if order.site != addressee.site:
        problem = f"it is for the site {order.site}, this is {addressee.site}"
    elif addressed is not None and order.target != addressed:
        problem = f"it is for {order.target}, but was sent to {addressed}"
    elif order.target not in addressee.targets:
        problem = f"it is for {order.target}"
    if problem:
        raise RefusedOrderError(Refusal.WRONG_TARGET, problem, order)


def _check_number(order: CurtailOrder, last: Taken) -> None:
    if order.number <= last.number:
        problem = f"its number is {order.number}, but {last.number} has been obeyed"
        raise RefusedOrderError(Refusal.REPLAYED, problem, order)


def _check_time(order: CurtailOrder, now: float, *, is_clock_trusted: bool) -> None:
    if not is_clock_trusted:
        return
    if order.issued > now + AHEAD:
        problem = f"it was issued {order.issued - now:.0f} s from now"
        raise RefusedOrderError(Refusal.FROM_THE_FUTURE, problem, order)
    if order.expires is not None and order.expires <= now:
        problem = f"it expired {now - order.expires:.0f} s ago"
        raise RefusedOrderError(Refusal.EXPIRED, problem, order)
