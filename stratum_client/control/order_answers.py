"""What is told of orders: acknowledgements, events and counts; pure.

An acknowledgement is one JSON object on ``mine/SITE/rig/ID/ack``. Its ``step``: accepted, idle,
confirmed, unconfirmed, late, refused. docs/curtailment.md has the fields of each.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from stratum_client.control.curtail import Refused
from stratum_client.control.order_message import CurtailOrder, Refusal
from stratum_client.control.power import Reading

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0)
"""Upper bounds, in seconds, of the classes in which times to idle are counted."""


def acknowledgement(order: CurtailOrder, rig: str, step: str, at: float, **fields: object) -> bytes:
    """Return that ``rig`` has come to ``step`` with an order, at a wall time."""
    return _json({"key": order.key, "number": order.number, "rig": rig, "step": step}, at, fields)


def refusal_event(refused: Refused, rig: str, at: float) -> bytes:
    """Return that an order was refused; only a signature that is right makes a key believed."""
    order = refused.order
    head = {"event": "order.refused", "rig": rig, "why": str(refused.why)}
    who = {"key": order.key, "number": order.number} if order else {}
    return _json(head, at, {**who, "problem": refused.problem})


def watts_of(reading: Reading | None) -> Mapping[str, object]:
    """Return a reading as fields of an acknowledgement, with its source."""
    if reading is None:
        return {}
    return {"watts": round(reading.watts, 1), "source": str(reading.source)}


def _json(head: Mapping[str, object], at: float, fields: Mapping[str, object]) -> bytes:
    return json.dumps({**head, "at": round(at, 3), **fields}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStats:
    """How many orders were obeyed and refused, and how long devices took to rest.

    ``idle_counts`` has one count for each of `BOUNDS` and one for what took longer, each of its
    own class alone; times in seconds.
    """

    obeyed: int = 0
    late: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    idle_counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    idle_sum: float = 0.0
    idle_last: float | None = None
    idle_longest: float | None = None

    def json(self) -> Mapping[str, object]:
        """Return the counts under the names of docs/control.md."""
        return {
            "obeyed": self.obeyed,
            "late": self.late,
            "refused": dict(self.refused),
            "idle_last_seconds": self.idle_last,
            "idle_longest_seconds": self.idle_longest,
        }


class OrderCounts:
    """Counts orders since the start of the daemon."""

    def __init__(self) -> None:
        self.obeyed = 0
        self.late = 0
        self._refused = dict.fromkeys(map(str, Refusal), 0)
        self._idle = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0
        self._last: float | None = None
        self._longest: float | None = None

    def refused(self, why: Refusal) -> None:
        """Count one that was not obeyed."""
        self._refused[str(why)] += 1

    def idle(self, seconds: float) -> None:
        """Count one after which all devices came to rest within ``seconds``."""
        self._idle[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds
        self._last, self._longest = seconds, max(self._longest or 0.0, seconds)

    @property
    def stats(self) -> OrderStats:
        """Return a snapshot."""
        return OrderStats(
            obeyed=self.obeyed,
            late=self.late,
            refused=dict(self._refused),
            idle_counts=tuple(self._idle),
            idle_sum=self._sum,
            idle_last=self._last,
            idle_longest=self._longest,
        )
