"""How often the vain attempts of one pool are told: at their first time, then hourly with a count.

A pool that is dead stays so for a year, perhaps, and is dialled each minute. Nothing of that may
fill a disk, or bury what else a log has to say.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from drivers.api import Log

TELL_AGAIN = 3600.0
"""Seconds after which a failure is told again that has been told."""

MAX_KINDS = 8
"""Different failures remembered; a pool's addresses may fail in turns, each in its own way."""

MAX_HELD = 100

_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class _Kind:
    told_at: float
    untold: int = 0


class FailureTelling:
    """Which failures are to be told; those that differ in numbers alone are the same one."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def times(self, text: str, now: float) -> int | None:
        """Return how often a failure came since it was last told; None: not to be told now."""
        key = _NUMBER.sub("0", text)
        kind = self._kinds.pop(key, None)
        if kind is None:
            self._kinds[key] = _Kind(now)
            if len(self._kinds) > MAX_KINDS:
                del self._kinds[next(iter(self._kinds))]
            return 1
        self._kinds[key] = kind
        kind.untold += 1
        if now - kind.told_at < TELL_AGAIN:
            return None
        times, kind.told_at, kind.untold = kind.untold, now, 0
        return times

    def forget(self) -> None:
        """Begin anew: the pool has lived."""
        self._kinds.clear()


class HeldLog:
    """A log whose lines can be held back until it is known whether they are worth telling."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._held: list[Callable[[], object]] | None = None

    def hold(self) -> None:
        """Keep the lines that come; of very many the first ones."""
        self._held = []

    def release(self) -> None:
        """Write what was kept, and what comes from now on."""
        held, self._held = self._held or [], None
        for write in held:
            write()

    def drop(self) -> None:
        """Forget what was kept, and write what comes from now on."""
        self._held = None

    def debug(self, event: str, **fields: object) -> None:
        """Write a line, or keep it."""
        self._take(partial(self._log.debug, event, **fields))

    def info(self, event: str, **fields: object) -> None:
        """Write a line, or keep it."""
        self._take(partial(self._log.info, event, **fields))

    def warning(self, event: str, **fields: object) -> None:
        """Write a line, or keep it."""
        self._take(partial(self._log.warning, event, **fields))

    def error(self, event: str, **fields: object) -> None:
        """Write a line, or keep it."""
        self._take(partial(self._log.error, event, **fields))

    def _take(self, write: Callable[[], object]) -> None:
        if self._held is None:
            write()
        elif len(self._held) < MAX_HELD:
            self._held.append(write)
