"""What waits to be written to one client."""

from collections.abc import Mapping

from stratum_client.emulated_pool.outputs import Close, Output, Send
from stratum_client.emulated_pool.wire import encode


class Outbox:
    """Collects the outputs of one session until the shell takes them."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self.closed = False

    def message(self, message: Mapping[str, object]) -> None:
        """Queue one message, one line."""
        self.raw(encode(message))

    def raw(self, data: bytes) -> None:
        """Queue bytes as they are."""
        if not self.closed:
            self._outputs.append(Send(data))

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End the connection after what is queued; nothing can be queued any more."""
        if not self.closed:
            self._outputs.append(Close(reason, reset))
            self.closed = True

    def take(self) -> list[Output]:
        """Return what is to be done now and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs
