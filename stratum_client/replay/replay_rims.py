"""The rims of a daemon in a replay: there is nobody out there but the recording."""

from collections.abc import Callable, Mapping
from functools import partial

from drivers.api import Miner, PortInfo, Setpoint
from drivers.transports.tap import PortTap
from stratum_client.config import Config
from stratum_client.pool_order import PoolOrder
from stratum_client.recording.entries import Entry, What
from stratum_client.replay.progress import Progress
from stratum_client.replay.replay_orders import ReplayOrders
from stratum_client.replay.replay_pool_rim import ReplayPoolRim
from stratum_client.rims import PoolRim, Rates, Timer


class ReplayRims:
    """Implements `rims.Rims`; ``pools`` are the other sides of pools by name."""

    def __init__(self, progress: Progress, orders: ReplayOrders) -> None:
        self.pools: dict[str, ReplayPoolRim] = {}
        self._progress = progress
        self._orders = orders

    def pool(self, name: str) -> PoolRim:
        """Return the other side of a pool, a new one for one that was added again."""
        self.pools[name] = ReplayPoolRim(partial(self._saw_closing, name))
        return self.pools[name]

    def hashrates(self, measured: Callable[[], Rates]) -> Callable[[], Rates]:  # noqa: ARG002 - the recording knows
        """Return the hash rates that were measured then."""
        return self._orders.next_hashrates

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:  # noqa: ARG002 - the recording knows
        """Return the hash rate that was measured then."""
        return lambda: self.pools[pool].hashrate

    def later(self, seconds: float, decide: Callable[[], None]) -> Timer:  # noqa: ARG002 - the recording knows
        """Call ``decide`` when it was called then."""
        return self._orders.wait(decide)

    def miner(self, device: str, miner: Miner) -> Miner:  # noqa: ARG002 - there are no devices
        """Return ``miner``."""
        return miner

    def tap(self, device: str) -> PortTap | None:  # noqa: ARG002 - there are no devices
        """Return None."""
        return None

    def configured(self, config: Config) -> None:
        """Take no note."""

    def ordered(self, order: PoolOrder) -> None:
        """Take no note."""

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        """Take no note."""

    def told(self, device: str, *, clean: bool) -> None:
        """Take no note."""

    def applied(self, device: str, setpoint: Setpoint) -> None:
        """Take no note."""

    def stopping(self) -> None:
        """Take no note."""

    def _saw_closing(self, pool: str) -> bool:
        """Return whether a socket was seen closing in what happens now."""
        progress = self._progress
        place = progress.following(progress.index, pool, What.CLOSING, passes=_was_sent)
        return place is not None


def _was_sent(entry: Entry) -> bool:
    return entry.what is What.OUT
