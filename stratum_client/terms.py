"""What is in force on one connection: difficulty, extranonces, version mask; pure.

The pool may change each at any time. A job takes a copy when it arrives (`Terms`).
"""

from dataclasses import replace

from drivers.header import DIFFICULTY_1, MAX_TARGET, difficulty_of, target_of
from stratum_client.errors import PoolProtocolError
from stratum_client.job import SessionId
from stratum_client.notify import Terms
from stratum_client.replies import Subscription, extranonce1_in, extranonce2_size_in, mask_in
from stratum_client.wire import MAX_TEXT, number_in, printable

EASIEST, HARDEST = 2.0**-32, 2.0**128
"""Difficulties outside of these are passed over."""


class TermsError(ValueError):
    """The pool set something that cannot be; what was in force before stays."""


class TermsInForce:
    """One connection's terms; each setter raises TermsError and changes nothing when it must."""

    def __init__(self, session: SessionId, *, wanted_mask: int) -> None:
        self.subscription: Subscription | None = None
        self.difficulty: float = 1
        self.target = DIFFICULTY_1
        self.mask: int | None = None  # None: version rolling was not granted
        self.raised_at = float("-inf")
        self._session = session
        self._wanted_mask = wanted_mask

    def copy(self) -> Terms:
        """Return the terms for a job that arrives now; there must be a subscription."""
        assert self.subscription
        return Terms(
            session=self._session,
            extranonce1=self.subscription.extranonce1,
            extranonce2_size=self.subscription.extranonce2_size,
            version_mask=self.mask or 0,
            difficulty=self.difficulty,
            target=self.target,
        )

    def set_difficulty(self, value: object, now: float) -> bool:
        """Take `mining.set_difficulty`; return whether anything changed."""
        difficulty = number_in(value)
        if difficulty is None or not EASIEST <= difficulty <= HARDEST:
            raise TermsError(f"difficulty passed over: {printable(repr(value), MAX_TEXT)}")
        return self._set(difficulty, target_of(difficulty), now)

    def set_target(self, value: object, now: float) -> bool:
        """Take `mining.set_target`: 64 hex digits, big-endian; return whether it changed."""
        text = value if isinstance(value, str) and len(value) == 64 and value.isalnum() else ""
        try:
            target = int(text, 16)
        except ValueError:
            target = 0
        if not 0 < target <= MAX_TARGET:
            raise TermsError("target passed over: it must be 64 hex digits and not 0")
        return self._set(difficulty_of(target), target, now)

    def set_extranonce(self, params: list[object]) -> None:
        """Take `mining.set_extranonce`; what is null or left out stays."""
        if self.subscription is None:
            raise TermsError("set_extranonce passed over: it came before the subscription")
        changes: dict[str, object] = {}
        try:
            if params and params[0] is not None:
                changes["extranonce1"] = extranonce1_in(params[0])
            if len(params) > 1 and params[1] is not None:
                changes["extranonce2_size"] = extranonce2_size_in(params[1])
        except PoolProtocolError as error:
            raise TermsError(f"set_extranonce passed over: {error.problem}") from error
        self.subscription = replace(self.subscription, **changes)  # type: ignore[arg-type]  # checked above

    def set_version_mask(self, value: object) -> int:
        """Take `mining.set_version_mask`; return the bits that were allowed and no longer are."""
        mask = mask_in(value)
        if self.mask is None or mask is None:
            raise TermsError("version mask passed over: version rolling was not agreed on")
        return self.grant_mask(mask)

    def grant_mask(self, mask: int) -> int:
        """Allow the bits that the pool and we both want; return those no longer allowed."""
        before, self.mask = self.mask or 0, mask & self._wanted_mask
        return before & ~self.mask

    def _set(self, difficulty: float, target: int, now: float) -> bool:
        changed = (difficulty, target) != (self.difficulty, self.target)
        if target < self.target:
            self.raised_at = now
        self.difficulty, self.target = difficulty, target
        return changed
