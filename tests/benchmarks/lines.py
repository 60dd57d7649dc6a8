"""The table that the benchmarks print."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_FORM = "{:<46}{:>13}{:>14}{:>11}  {}"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure; ``ratio`` to the section's unit, ``met`` None where there is no aim."""

    name: str
    value: str = ""
    ratio: str = ""
    aim: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one run; ``unit`` is what their ratios refer to."""

    title: str
    unit: str
    lines: Sequence[Line] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the table."""
        heading = _FORM.format(self.title, "measured", f"x {self.unit}", "aim", "")
        rows = [
            _FORM.format(f"  {line.name}", line.value, line.ratio, line.aim, _verdict(line))
            for line in self.lines
        ]
        return "\n".join(row.rstrip() for row in (heading, *rows))


def _verdict(line: Line) -> str:
    return {None: "", True: "met", False: "missed"}[line.met]
