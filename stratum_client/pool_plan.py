"""Where each device's next work comes from: one pool, or several by quota; pure, takes `now`."""

from collections.abc import Mapping

from stratum_client.quota import Dealt, QuotaDealer


class PoolPlan:
    """What the miner follows; implements `miner.WorkPlan`."""

    def __init__(self, now: float) -> None:
        self._dealer = QuotaDealer(now)
        self._single: str | None = None
        self._deals = False

    def pool_for(self, seat: str) -> str | None:
        """Return the pool that a seat's next work comes from."""
        return self._dealer.pool_of(seat) if self._deals else self._single

    def seat_left(self, seat: str, now: float) -> None:
        """Forget a seat whose device is gone."""
        self._dealer.leave(seat, now)

    def take_from(self, pool: str | None, now: float) -> None:
        """Let all work come from this pool, or from nowhere."""
        self._single, self._deals = pool, False
        self._dealer.serve({}, now)

    def deal(self, quotas: Mapping[str, float], now: float) -> None:
        """Let work come from these pools by quota."""
        self._single, self._deals = None, True
        self._dealer.serve(quotas, now)

    @property
    def next_turn(self) -> float | None:
        """Return when `turn` is due, None while nothing is dealt."""
        return self._dealer.next_turn if self._deals else None

    def turn(self, rates: Mapping[str, float], now: float) -> None:
        """Deal anew; ``rates`` (H/s) are of the devices that hash now."""
        self._dealer.turn(rates, now)

    def dealt(self, pool: str) -> Dealt | None:
        """Return how a pool has fared, None where nothing was dealt."""
        return self._dealer.dealt(pool)

    def forget(self, pool: str) -> None:
        """Drop what is known of a pool that work does not come from any more."""
        self._dealer.forget(pool)
