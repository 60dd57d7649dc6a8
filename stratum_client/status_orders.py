"""Looking at the rig over the control socket.

| request | other keys, all optional | result |
|---|---|---|
| status | width, height | what docs/control.md says; with a width also ``lines`` |
"""

from collections.abc import Callable, Mapping

from stratum_client.api.control_lines import Handler, Order, Reply
from stratum_client.stats import RigStats
from stratum_client.status_text import status_lines


class StatusOrders:
    """Tells what ``snapshot`` says."""

    def __init__(self, snapshot: Callable[[], RigStats]) -> None:
        self._snapshot = snapshot

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"status": self._status}

    def _status(self, order: Order) -> Reply:
        width = order.number_or_nothing("width", 0, 1000)
        height = order.number_or_nothing("height", 0, 1000)
        stats = self._snapshot()
        if width is None:
            return stats.summary()
        title = f"{stats.rig} · stratum-client {stats.version}"
        room = None if height is None else int(height)
        lines = status_lines(stats, title=title, width=int(width), height=room)
        return {**stats.summary(), "lines": lines}
