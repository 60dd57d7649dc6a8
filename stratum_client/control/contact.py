"""A contact that says whether to curtail, believed once it has kept still; pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class DebouncedContact:
    """``active`` is what the contact's file holds while it says to curtail.

    ``is_closed`` is what is believed: None as long as it never kept still for ``debounce`` seconds,
    and its last word while it cannot be read. ``unreadable_since`` is None while it can.
    """

    active: str
    debounce: float
    is_closed: bool | None = None
    unreadable_since: float | None = None
    _seen: bool | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)

    def seen(self, content: str | None, now: float) -> bool:
        """Take note of what the file holds, None if it cannot be read; return if that is news."""
        if content is None or not content.strip():
            self._seen = None
            if self.unreadable_since is None:
                self.unreadable_since = now
                return True
            return False
        was_unreadable, self.unreadable_since = self.unreadable_since is not None, None
        level = content.strip() == self.active
        if level is not self._seen:
            self._seen, self._since = level, now
        if now - self._since < self.debounce or level is self.is_closed:
            return was_unreadable
        self.is_closed = level
        return True
