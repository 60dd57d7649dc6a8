"""What was learnt of one pool, across its connections: how it reads what the standards leave open.

Pure; takes `now`, a monotonic time in seconds.
"""

from stratum_client.job import Share, VersionBits
from stratum_client.replies import Refusal

DAY = 86_400.0
RAISE_WINDOW = 60.0
"""A low-difficulty refusal this soon after a raise speaks for a pool that raises at once."""

_ENOUGH_RAISES = 2
_ENOUGH_CLASHES = 3
_FORM_REFUSALS = {Refusal.LOW_DIFFICULTY, Refusal.BAD_HASH, Refusal.BAD_VERSION}


class PoolHabits:
    """One pool's ways; the sessions of that pool share one object."""

    def __init__(self, *, host: str = "", version_bits: VersionBits | None = None) -> None:
        self._form_is_given = version_bits is not None
        guess = VersionBits.XOR if "public-pool" in host else VersionBits.MASK
        self.version_bits = version_bits or guess
        self.immediate_difficulty = False
        self._raise_refusals: list[float] = []
        self._clash_refusals = 0
        self._no_configure_until = 0.0
        self._closed_on_configure = 0

    def may_configure(self, now: float) -> bool:
        """Return whether to send `mining.configure`: some old pools hang up on it."""
        return now >= self._no_configure_until

    def closed_before_a_word(self, *, configured: bool, now: float) -> None:
        """Note that the pool hung up before it had sent a single line.

        If it did so on configure, the next session goes without. Hanging up without configure too
        clears the suspicion; a second time on configure settles it for a day.
        """
        if not configured:
            self._no_configure_until = 0.0
            self._closed_on_configure = 0
            return
        self._closed_on_configure += 1
        self._no_configure_until = now + DAY

    def spoke(self, *, configured: bool) -> None:
        """Note that a session came about.

        After a single hang-up the network may be to blame: configure is tried again next time.
        """
        if configured:
            self._closed_on_configure = 0
        elif self._closed_on_configure == 1:
            self._no_configure_until = 0.0

    def share_refused(self, share: Share, refusal: Refusal, now: float, raised_at: float) -> None:
        """Learn from a refusal; ``raised_at`` is when the difficulty was last raised."""
        if refusal is Refusal.LOW_DIFFICULTY and now - raised_at <= RAISE_WINDOW:
            recent = [at for at in self._raise_refusals if now - at <= RAISE_WINDOW]
            self._raise_refusals = [*recent[1 - _ENOUGH_RAISES :], now]
            self.immediate_difficulty |= len(self._raise_refusals) >= _ENOUGH_RAISES
        if _has_clash(share) and refusal in _FORM_REFUSALS:
            self._clash_refusals += 1
            if self._clash_refusals >= _ENOUGH_CLASHES and not self._form_is_given:
                self._clash_refusals = 0
                is_mask = self.version_bits is VersionBits.MASK
                self.version_bits = VersionBits.XOR if is_mask else VersionBits.MASK

    def share_accepted(self, share: Share) -> None:
        """Learn from an accepted share."""
        if _has_clash(share):
            self._clash_refusals = 0


def _has_clash(share: Share) -> bool:
    """Return whether the two forms of the sixth submit parameter differ for this share."""
    return bool(share.job.version & share.job.version_mask)
