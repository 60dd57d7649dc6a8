"""What a pool says, made fit to be shown: on one line, without our password, not too much of it.

A pool that answers "wrong password hunter22" would put it into status and errors, which more
people see than the configuration. Pure; takes `now`.
"""

from dataclasses import replace

from stratum_client.errors import PoolProtocolError
from stratum_client.log_fields import HIDDEN, Scrubber
from stratum_client.wire import MAX_TEXT, Failure, printable

LONGEST_REASON = 200
BURST, PER_SECOND = 30, 0.5
"""Messages and oddities passed on at once, and how quickly the right to more comes back."""


class PoolWords:
    """One connection's words; ``password`` never gets through."""

    def __init__(self, password: str, now: float) -> None:
        self._scrubber = Scrubber((password, printable(password, len(password))))
        self._credit = float(BURST)
        self._credited_at = now
        self._passed_over = 0

    def text(self, text: str, longest: int = LONGEST_REASON) -> str:
        """Return ``text`` on one line, without the password, cut to ``longest`` characters."""
        return self._scrubber.text(printable(text, MAX_TEXT), MAX_TEXT)[:longest]

    def failure(self, failure: Failure) -> Failure:
        """Return the same refusal in words fit to be shown."""
        return replace(failure, message=self.text(failure.message))

    def protocol_error(self, error: PoolProtocolError, line: bytes) -> PoolProtocolError:
        """Return ``error`` without the start of ``line`` if the password is in that line."""
        if self.names_password(line.decode("utf-8", "replace")):
            return PoolProtocolError(f"{error.problem} (in a line with {HIDDEN})")
        return error

    def names_password(self, text: str) -> bool:
        """Return whether the password is part of ``text``, of its first 65 536 characters."""
        return self._scrubber.text(text[:MAX_TEXT], MAX_TEXT) != text[:MAX_TEXT]

    def may_speak(self, now: float) -> bool:
        """Return whether one more message should be passed on; count it if not."""
        self._credit = min(self._credit + (now - self._credited_at) * PER_SECOND, BURST)
        self._credited_at = now
        if self._credit < 1:
            self._passed_over += 1
            return False
        self._credit -= 1
        return True

    def take_passed_over(self) -> int:
        """Return how many messages were not passed on since this was last asked."""
        count, self._passed_over = self._passed_over, 0
        return count
