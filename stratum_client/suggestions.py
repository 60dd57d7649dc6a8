"""The difficulties that one connection suggests to its pool: when, and which; pure."""

from stratum_client.opening import as_asked
from stratum_client.requests import Asked, Requests
from stratum_client.session_options import SessionOptions
from stratum_client.terms import TermsInForce

FAR_BELOW = 4
"""Times: further below the suggested difficulty than a pool's own control strays."""

SUGGEST_PAUSE = 600.0
"""Seconds between two suggested difficulties; some pools honour only the first."""


class Suggestions:
    """Suggests difficulties; a pool may do as it likes."""

    def __init__(self, options: SessionOptions, terms: TermsInForce, requests: Requests) -> None:
        self._options = options
        self._terms = terms
        self._requests = requests
        self._last: tuple[float, float] | None = None  # (difficulty, when)

    def suit(self, hashrate: float, now: float, *, again: bool) -> None:
        """Suggest what suits ``hashrate`` (H/s), unless a recent suggestion still does.

        With ``again`` also when the pool has come down from it by far.
        """
        fixed = self._options.suggest_difficulty
        if hashrate <= 0 or fixed == 0:
            return
        wanted = fixed or hashrate * self._options.seconds_per_share / 2**32
        is_far = again and self._terms.difficulty < wanted / FAR_BELOW
        if self._last and not is_far:
            before, at = self._last
            if now - at < SUGGEST_PAUSE or 0.5 <= wanted / before <= 2:
                return
        self._suggest(wanted, now)

    def repeat(self, now: float) -> None:
        """Suggest the same again, or what is in force: so a pool hears that we live."""
        self._suggest(self._last[0] if self._last else self._terms.difficulty, now)

    def _suggest(self, difficulty: float, now: float) -> None:
        self._last = difficulty, now
        self._requests.ask(Asked.SUGGEST, [as_asked(difficulty)], now)
