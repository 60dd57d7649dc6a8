"""What was other in the replay than in the recording."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stratum_client.recording.entries import Entry, line_of
from stratum_client.recording.reader import Run

_SHOWN = 400
_CONTEXT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One of them; ``line`` is where in the file, ``context`` the lines that lead there."""

    whose: str
    line: int
    at: float
    then: str
    now: str
    context: Sequence[str] = ()

    def json(self) -> dict[str, object]:
        """Return it as JSON knows it."""
        return {
            "of": self.whose,
            "line": self.line,
            "t": round(self.at, 6),
            "then": self.then,
            "now": self.now,
        }


@dataclass(slots=True, kw_only=True)
class Differences:
    """The differences of one run; of each pool and device only the first is told."""

    run: Run
    found: list[Difference] = field(default_factory=list)
    count: int = 0

    def add(self, index: int, whose: str, *, then: str, now: str) -> None:
        """Note a difference at the entry number ``index`` of the run."""
        self.count += 1
        if any(one.whose == whose for one in self.found):
            return
        index = min(index, len(self.run.entries) - 1)
        entry = self.run.entries[index]
        self.found.append(
            Difference(
                whose=whose,
                line=self.run.lines[index],
                at=entry.at,
                then=shortened(then),
                now=shortened(now),
                context=self._context(index, entry.name),
            )
        )

    @property
    def first(self) -> Difference | None:
        """Return the first in the order of the recording."""
        return min(self.found, key=lambda one: one.line, default=None)

    def _context(self, index: int, name: str) -> list[str]:
        lines: list[str] = []
        for i in range(index, -1, -1):
            entry = self.run.entries[i]
            if entry.name == name and len(lines) < _CONTEXT:
                lines.insert(0, f"{self.run.lines[i]}: {_shown(entry)}")
        return lines


def shortened(text: str) -> str:
    """Return ``text`` on one line, not too long."""
    plain = text.replace("\n", "\\n")
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}… ({len(plain)} characters)"


def _shown(entry: Entry) -> str:
    return shortened(line_of(entry).decode(errors="replace").strip())
