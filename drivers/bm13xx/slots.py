"""Which work a chain's answers belong to: the job bytes in use, and what was sent under each.

Sans-IO. A slot is used again only after all the others, so that a late answer finds its work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.api import Work

_REMEMBERED = 4096


@dataclass(slots=True, kw_only=True)
class SlotUse:
    """One job: its work, the version behind each midstate, the ticket in force, answers so far.

    ``current`` is False once the pool has declared the work worthless.
    """

    work: Work
    versions: tuple[int, ...]
    ticket: int
    current: bool = True
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def is_repeated(self, nonce: int, version: int) -> bool:
        """Return whether this answer came before; chips repeat some when they start over."""
        answer = (nonce, version)
        if answer in self._seen:
            return True
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(answer)
        return False


class Slots:
    """The job bytes of a chain, handed out in the order its chips need."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = order
        self._next = 0
        self._uses: dict[int, SlotUse] = {}

    def __len__(self) -> int:
        return len(self._order)

    def use(self, use: SlotUse) -> int:
        """Return the job byte for ``use``; what had it before is forgotten."""
        slot = self._order[self._next]
        self._next = (self._next + 1) % len(self._order)
        self._uses[slot] = use
        return slot

    def find(self, slot: int) -> SlotUse | None:
        """Return what was sent under ``slot``, or None if nothing was."""
        return self._uses.get(slot)

    def forget_work(self) -> None:
        """Mark all work as worthless; the slots stay known, for answers under way."""
        for use in self._uses.values():
            use.current = False

    def ticket_changed(self, ticket: int) -> None:
        """Note that answers to older jobs may now be as easy as ``ticket``, if that is easier."""
        for use in self._uses.values():
            use.ticket = min(use.ticket, ticket)

    def clear(self) -> None:
        """Forget everything, as the chips do in a reset."""
        self._uses.clear()
