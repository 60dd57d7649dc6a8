"""What decides about pools in a replay besides the pools: orders, times and hash rates."""

from collections.abc import Callable
from dataclasses import dataclass

from stratum_client.pool_order import PoolOrder, PoolVerb
from stratum_client.pool_set import PoolSet
from stratum_client.recording.entries import Entry, EntryError, What
from stratum_client.recording.reader import Run
from stratum_client.rims import Rates


@dataclass(slots=True)
class _Moment:
    decide: Callable[[], None]
    is_awaited: bool = True

    def cancel(self) -> None:
        self.is_awaited = False


class ReplayOrders:
    """The times at which pools are looked at, and the hash rates by which work is dealt."""

    def __init__(self, run: Run) -> None:
        self._hashrates = [_rates_of(one) for one in run.entries if one.what is What.HASHRATES]
        self._asked = 0
        self._moment: _Moment | None = None

    def next_hashrates(self) -> Rates:
        """Return what was measured then; nothing when it was not."""
        self._asked += 1
        return self._hashrates[self._asked - 1] if self._asked <= len(self._hashrates) else {}

    def wait(self, decide: Callable[[], None]) -> _Moment:
        """Keep ``decide`` for `let_decide`."""
        self._moment = _Moment(decide)
        return self._moment

    def let_decide(self) -> bool:
        """Let the time have come; return whether it was awaited."""
        moment, self._moment = self._moment, None
        if moment is None or not moment.is_awaited:
            return False
        moment.decide()
        return True


def give(order: PoolOrder, pools: PoolSet) -> None:
    """Give an order again; raise PoolOrderError."""
    match order.verb:
        case PoolVerb.USE:
            pools.use(order.pool or None)
        case PoolVerb.ENABLE:
            pools.enable(order.pool)
        case PoolVerb.DISABLE:
            pools.disable(order.pool)
        case PoolVerb.REMOVE:
            pools.remove(order.pool, comes_back=order.comes_back)
        case PoolVerb.ARRANGE:
            pools.arrange(order.names)
        case PoolVerb.ADD if order.config:
            pools.add(order.config, enabled=order.enabled)
        case PoolVerb.ADJUST if order.config:
            pools.adjust(order.config)
        case PoolVerb.CONFIGURE if order.work:
            pools.configure(order.work)


def _rates_of(entry: Entry) -> Rates:
    devices = entry.fields.get("devices", {})
    if not isinstance(devices, dict):
        raise EntryError('"devices" is not a table')
    rates = Entry(at=entry.at, rim=entry.rim, what=entry.what, fields=devices)
    return {str(name): rates.real(name) for name in devices}
