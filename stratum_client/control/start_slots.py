"""When each rig of a site may start, so that the site's power rises no faster than it may; pure.

Wall time is cut into cycles of equal slots, and a rig starts in its own slot only. So it does not
matter when each rig is released, by a window, an order or the end of an outage: whichever rigs
start within a minute, their slots lie within that minute. Slots begin anew with each cycle, counted
from 1970, and are a place in time, not a delay: after a release all rigs start within one cycle.

What a site takes more within any 60 s is at most the rigs that started within some 60 s, whatever
ramp they have in common: a ramp spreads each rig's rise, and a mean is no more than the maximum.
"""

import hashlib
import math
from dataclasses import dataclass

MINUTE = 60.0

TOLERANCE = 1.0
"""Seconds that rigs may start late in their slots: half for clocks that differ, half to act."""

CHANCE = 1e-6
"""How often per start of the whole site names may put more rigs into a minute than allowed."""


class SlotsError(ValueError):
    """There are no slots that keep a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """``count`` slots of ``length`` seconds, and the ``own`` one, counted from 0."""

    count: int = 1
    length: float = 0.0
    own: int = 0

    @property
    def cycle(self) -> float:
        """Return the seconds within which all rigs have started."""
        return self.count * self.length if self.count > 1 else 0.0

    def next_start(self, earliest: float) -> float:
        """Return the beginning of the first own slot that ``earliest`` does not come too late for.

        Both in seconds since 1970. It may be half a TOLERANCE before ``earliest``: start at once.
        """
        if not self.cycle:
            return earliest
        first = self.own * self.length
        cycles = math.ceil((earliest - TOLERANCE / 2 - first) / self.cycle)
        return first + cycles * self.cycle


def slot_by_name(name: str, count: int) -> int:
    """Return the slot of a rig without an index: the same always, on every machine."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % count


def slot_length(
    *, limit: float, rig: float, rigs: int, count: int, is_indexed: bool, ramp: float = 0.0
) -> float:
    """Return how long slots must be; raise SlotsError if none are long enough.

    ``limit`` in watts a minute, ``rig`` the watts of one of ``rigs`` alike, each with a ``ramp`` in
    seconds. Rigs whose slot follows from an index never exceed the limit; those whose slot follows
    from their names exceed it in less than one start of the site in a million, see `excess_chance`.
    """
    at_once = math.floor(limit / rig * (1 + 1e-12))
    sharing = math.ceil(rigs / count)
    if not is_indexed:
        return (MINUTE + TOLERANCE) / _slots_a_minute(at_once, rigs, count)
    if at_once >= sharing:
        return (MINUTE + TOLERANCE) / (at_once // sharing)
    if sharing > 1:
        raise SlotsError(f"{sharing} rigs share each slot, and {at_once} may start in a minute")
    if rig * min(1.0, MINUTE / max(ramp, MINUTE)) > limit:
        needed = math.ceil(MINUTE * rig / limit)
        raise SlotsError(f"one rig alone rises faster than that: it needs a ramp of {needed} s")
    return ramp + MINUTE + TOLERANCE


def excess_chance(*, at_once: int, rigs: int, count: int, slots: int) -> float:
    """Return a bound of the chance that any minute of a start has more than ``at_once`` rigs.

    Each of ``rigs`` is in one of ``count`` slots at random; ``slots`` of them are within a minute.
    A minute's rigs are binomial; Chernoff's bound of their tail, exp(-rigs x D), with the relative
    entropy D of the two shares, times the number of minutes that differ.
    """
    if at_once >= rigs:
        return 0.0
    share, expected = (at_once + 1) / rigs, min(slots / count, 1.0)
    if share <= expected:
        return 1.0
    entropy = share * math.log(share / expected)
    if share < 1:
        entropy += (1 - share) * math.log((1 - share) / (1 - expected))
    return min(1.0, count * math.exp(-rigs * entropy))


def _slots_a_minute(at_once: int, rigs: int, count: int) -> int:
    """Return how many slots a minute may have where names say which rigs are in them."""
    low, high = 0, max(at_once, 0)
    while low < high:
        middle = (low + high + 1) // 2
        if excess_chance(at_once=at_once, rigs=rigs, count=count, slots=middle) <= CHANCE:
            low = middle
        else:
            high = middle - 1
    if not low:
        raise SlotsError("names would put too many rigs into one slot: give each rig an index")
    return low
