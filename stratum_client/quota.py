"""Work dealt to several pools by quota, counted in hashes: deficit round robin; pure, takes `now`.

Every ``quantum`` seconds each seat (a device's place) is dealt to a pool for the next quantum. A
pool's balance is the hashes it should have had by its quota, less those it got; whoever is owed
most is served first. An outage is not repaid: who is away is owed nothing, and starts even again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

QUANTUM = 10.0
"""Seconds of hashing at a stretch; a change of pool costs a device one frame."""

UNKNOWN_RATE = 1.0
"""H/s of a seat that does not tell: several such are still dealt to by time."""

STICKINESS = 0.25
"""A seat changes pools only for a pool that is owed by more than this part of its quantum more."""


@dataclass(slots=True)
class _Account:
    """One pool's hashes; ``due`` and ``got`` since the start, ``balance`` since it came back."""

    quota: float
    balance: float = 0.0
    due: float = 0.0
    got: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """Parts of all hashes so far, from 0 to 1: what a pool should have had, and what it got."""

    wanted: float
    achieved: float


@dataclass(slots=True)
class _Place:
    """Where a seat works."""

    pool: str
    rate: float = field(default=UNKNOWN_RATE)


class QuotaDealer:
    """Deals seats to pools."""

    def __init__(self, now: float, *, quantum: float = QUANTUM) -> None:
        self.next_turn = now + quantum
        self._quantum = quantum
        self._settled_at = now
        self._accounts: dict[str, _Account] = {}
        self._open: frozenset[str] = frozenset()
        self._places: dict[str, _Place] = {}

    def serve(self, quotas: Mapping[str, float], now: float) -> None:
        """Deal to these pools alone from now on; seats of the others change at once."""
        self._settle(now)
        for name in self._open - quotas.keys():
            self._close(name, quotas)
        for name, quota in quotas.items():
            self._accounts.setdefault(name, _Account(quota)).quota = quota
        self._open = frozenset(quotas)
        homeless = [name for name, place in self._places.items() if place.pool not in self._open]
        self._deal(homeless)

    def pool_of(self, seat: str) -> str | None:
        """Return where a seat works, a new one where it is needed most; None without a pool."""
        if not self._open:
            return None
        place = self._places.setdefault(seat, _Place(""))
        if place.pool not in self._open:
            self._deal([seat])
        return place.pool

    def turn(self, rates: Mapping[str, float], now: float) -> None:
        """Deal all seats for the next quantum; ``rates`` (H/s) are of the seats that hash now."""
        for seat, rate in rates.items():
            self._places.setdefault(seat, _Place("")).rate = rate if rate > 0 else UNKNOWN_RATE
        self._settle(now)
        for seat in self._places.keys() - rates.keys():
            self._places[seat].rate = 0.0
        self._deal(rates)
        self.next_turn = now + self._quantum

    def leave(self, seat: str, now: float) -> None:
        """Deal to a seat no more: from now on it hashes for nobody."""
        self._settle(now)
        self._places.pop(seat, None)

    def dealt(self, name: str) -> Dealt | None:
        """Return how a pool has fared so far; None before there is anything to tell."""
        account = self._accounts.get(name)
        total = sum(account.got for account in self._accounts.values())
        if account is None or not total:
            return None
        return Dealt(wanted=account.due / total, achieved=account.got / total)

    def forget(self, name: str) -> None:
        """Drop what is known of a pool that is not served any more."""
        assert name not in self._open
        self._accounts.pop(name, None)

    # --- inside ---

    def _settle(self, now: float) -> None:
        """Charge the hashes since the last time to those who got them, and credit them by quota."""
        seconds, self._settled_at = now - self._settled_at, now
        if not self._open:
            return
        total = 0.0
        for place in self._places.values():
            if place.pool in self._open:
                hashes = place.rate * seconds
                total += hashes
                account = self._accounts[place.pool]
                account.got += hashes
                account.balance -= hashes
        for name, part in self._parts().items():
            self._accounts[name].due += total * part
            self._accounts[name].balance += total * part

    def _parts(self) -> dict[str, float]:
        """Return each served pool's part of all hashes."""
        whole = sum(self._accounts[name].quota for name in self._open)
        return {name: self._accounts[name].quota / whole for name in sorted(self._open)}

    def _close(self, name: str, heirs: Mapping[str, float]) -> None:
        """Strike out what a pool is owed, or owes; the others take it over by quota."""
        account = self._accounts[name]
        stay = [heir for heir in heirs if heir in self._open]
        whole = sum(heirs[heir] for heir in stay)
        for heir in stay:
            self._accounts[heir].balance += account.balance * heirs[heir] / whole
        account.balance = 0.0

    def _deal(self, seats: Collection[str]) -> None:
        """Give each of ``seats`` the pool that is owed most, the fast seats first."""
        if not self._open:
            return
        staying = [place for name, place in self._places.items() if name not in seats]
        coming = sum(place.rate for place in self._places.values()) * self._quantum
        owed = {
            name: self._accounts[name].balance + part * coming
            for name, part in self._parts().items()
        }
        for place in staying:
            if place.pool in owed:
                owed[place.pool] -= place.rate * self._quantum
        for name in sorted(seats, key=lambda seat: (-self._places[seat].rate, seat)):
            place = self._places[name]
            hashes = place.rate * self._quantum
            best = max(owed, key=lambda pool: owed[pool])
            stays = place.pool in owed and owed[place.pool] >= owed[best] - STICKINESS * hashes
            place.pool = place.pool if stays else best
            owed[place.pool] -= hashes
