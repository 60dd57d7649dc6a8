"""What a device did then, in the order it did it, held against what it does now."""

from collections.abc import Callable, Sequence

from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import Run

DEEDS = {
    *(What.OUT, What.OPENING, What.BAUD_RATE, What.LINES, What.DRAIN, What.PINS, What.PINS_ASKED),
    *(What.CLOSE, What.WORK, What.NO_WORK, What.FOUND),
}
"""What a driver does by itself; all else happens to it."""

_SAME_DEED = {What.NO_WORK: What.WORK}
_SURELY_MORE = 1.0
"""Seconds before the end of a recording up to which nothing may be done that is not in it."""

_TOLD = {
    What.FOUND: ("work", "nonce", "version", "ntime"),
    What.OPENING: ("place", "rate"),
    What.BAUD_RATE: ("rate",),
    What.LINES: ("dtr", "rts"),
    What.PINS: ("mask", "levels"),
}
"""What of a deed must be the same."""

Differs = Callable[[int, str, str], None]


class Expected:
    """The deeds of one device; each is compared with the next one of its stream.

    A stream is a port, or what is asked of the miner: only there order is sure. ``differs`` gets
    the index of an entry, and what was done then and now.
    """

    def __init__(self, run: Run, indices: Sequence[int], differs: Differs) -> None:
        self.done: set[int] = set()
        self._run = run
        self._differs = differs
        self._streams: dict[str, list[int]] = {}
        self._next: dict[str, int] = {}
        self._last = indices[-1] if indices else 0
        for index in indices:
            entry = run.entries[index]
            if entry.what in DEEDS:
                self._streams.setdefault(_stream_of(entry), []).append(index)

    def take(self, deed: Entry, now: float) -> Entry | None:
        """Compare ``deed``, done at ``now``, with what was done then; return that."""
        stream = _stream_of(deed)
        number = self._next.get(stream, 0)
        indices = self._streams.get(stream, [])
        if number == len(indices):
            if now < self._run.entries[self._last].at - _SURELY_MORE:
                self._differs(self._last, "nothing more", _in_words(deed))
            return None
        self._next[stream] = number + 1
        index = indices[number]
        then = self._run.entries[index]
        self.done.add(index)
        if _in_words(then) != _in_words(deed):
            self._differs(index, _in_words(then), _in_words(deed))
        return then


def _stream_of(entry: Entry) -> str:
    if entry.rim is Rim.MINER:
        return str(_SAME_DEED.get(entry.what, entry.what))
    return f"port {entry.fields.get('place', 0)}"


def _in_words(entry: Entry) -> str:
    """Return what is compared: of works and answers only that they were asked for."""
    if entry.what in (What.WORK, What.NO_WORK):
        return "asks for work"
    if entry.what is What.OUT:
        return f"sends {entry.data.hex()}"
    told = {key: entry.fields.get(key) for key in _TOLD.get(entry.what, ())}
    shown = ", ".join(f"{key} {value}" for key, value in told.items())
    return f"{entry.what.replace('_', ' ')}: {shown}" if shown else str(entry.what)
