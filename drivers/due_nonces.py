"""How many nonces are due of a device, and for how long they have been; pure, takes ``now``."""


class DueNonces:
    """Counts what is due at the pace it is told; a pause costs nobody anything.

    ``count`` and ``seconds`` are those since the last `clear`; ``told_at`` is when it was told of a
    pace last, None after `pause`.
    """

    def __init__(self) -> None:
        self.count = 0.0
        self.seconds = 0.0
        self.told_at: float | None = None
        self._pace = 0.0

    def expect(self, now: float, nonces_per_second: float) -> bool:
        """Expect that many valid nonces from now on, 0 for none; return whether some were due."""
        since, pace = self.told_at, self._pace
        self.told_at, self._pace = now, nonces_per_second
        if since is None or not pace:
            return False
        self.count += pace * (now - since)
        self.seconds += now - since
        return True

    def clear(self) -> None:
        """Count from nothing again."""
        self.count = self.seconds = 0.0

    def pause(self) -> None:
        """Expect nothing until told of a pace."""
        self.told_at, self._pace = None, 0.0
