"""Draw docs/site-restart.svg: how a site of 1 000 rigs starts again.

``python -m docs.plots.site_restart`` from the root of the repository; takes some seconds. The
curves are of the real control of each rig, in virtual time (tests/soak/restarting_site.py).
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.soak.restarting_site import BEGIN, MINUTE, RIG_POWER, Curve, Site, in_virtual_time

PATH = Path(__file__).parent.parent / "site-restart.svg"

WIDTH, LEFT, RIGHT = 820, 62, 20
TOP, POWER_HEIGHT, GAP, RISE_HEIGHT, BOTTOM = 122, 230, 58, 150, 46
MINUTES = 12
STEP = 1.0  # seconds between two points of a curve
MEGAWATT = 1e6

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 15px; font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.back { fill: #ffffff; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.limit { stroke: #24292f; stroke-width: 1.5; stroke-dasharray: 6 4; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.none { stroke: #8c959f; stroke-dasharray: 2 3; }
.index { stroke: #0969da; }
.name { stroke: #bf3989; }
.ramp { stroke: #1a7f37; }
.outage { stroke: #bc4c00; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .back { fill: #0d1117; }
  .grid { stroke: #30363d; }
  .limit { stroke: #e6edf3; }
  .none { stroke: #7d8590; }
  .index { stroke: #58a6ff; }
  .name { stroke: #f778ba; }
  .ramp { stroke: #3fb950; }
  .outage { stroke: #f0883e; }
}
"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of both panels."""

    kind: str
    label: str
    curve: Curve


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A place on the drawing: ``highest`` megawatts at ``top``, 0 at ``top`` + ``height``."""

    top: float
    height: float
    highest: float

    def y(self, megawatts: float) -> float:
        """Return where some megawatts are drawn."""
        return self.top + self.height * (1 - megawatts / self.highest)


def drawing(rigs: int = 1000) -> str:
    """Return the picture, the same each time."""
    site = Site(rigs=rigs, limit=2000.0 * rigs)
    return picture(site, lines_of(site))


def lines_of(site: Site) -> list[Line]:
    """Return what is drawn, of sites that really start."""
    indexed = in_virtual_time(site, "window")
    named = in_virtual_time(replace(site, is_indexed=False), "window")
    outage = in_virtual_time(site, "outage")
    at_once = Curve((BEGIN,) * site.rigs, 0.0)
    return [
        Line(kind="none", label="no soft start", curve=at_once),
        Line(kind="index", label="slots by index, boards without a ramp", curve=indexed.stepped()),
        Line(kind="name", label="slots by name, boards without a ramp", curve=named.stepped()),
        Line(kind="ramp", label="slots by index, ramp of 4 min", curve=indexed),
        Line(kind="outage", label="after an outage: also a random wait up to 5 min", curve=outage),
    ]


def picture(site: Site, lines: Sequence[Line]) -> str:
    """Return the whole drawing."""
    full, limit = site.rigs * RIG_POWER / MEGAWATT, site.limit / MEGAWATT
    power = Panel(top=TOP, height=POWER_HEIGHT, highest=_rounded_up(full))
    rise = Panel(
        top=TOP + POWER_HEIGHT + GAP, height=RISE_HEIGHT, highest=_rounded_up(1.25 * limit)
    )
    height = rise.top + rise.height + BOTTOM
    title = f"{site.rigs:,} rigs of {RIG_POWER / 1000:g} kW start again".replace(",", " ")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="24">{title}, site limit {limit:g} MW a minute</text>',
        *_legend(lines),
        *_frame(power, f"power of the site, MW (all: {full:g})"),
        *_frame(rise, "rise within the last 60 s, MW"),
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{rise.y(limit):.1f}"'
        f' y2="{rise.y(limit):.1f}"/>',
        f'<text x="{WIDTH - RIGHT}" y="{rise.y(limit) - 6:.1f}" text-anchor="end">limit</text>',
        *_minutes(rise),
    ]
    for line in lines:
        parts += _drawn(line, power, rise)
    return "\n".join((*parts, "</svg>", ""))


def _legend(lines: Sequence[Line]) -> Iterable[str]:
    """Yield the names of the curves, in two columns."""
    for number, line in enumerate(lines):
        x, y = LEFT + 390 * (number % 2), 44 + 18 * (number // 2)
        yield f'<polyline class="{line.kind}" points="{x},{y - 4} {x + 26},{y - 4}"/>'
        yield f'<text x="{x + 34}" y="{y}">{line.label}</text>'


def _frame(panel: Panel, title: str) -> Iterable[str]:
    yield f'<text class="small" x="{LEFT}" y="{panel.top - 8}">{title}</text>'
    step = 1.0 if panel.highest > 1.5 else 0.1
    for number in range(int(panel.highest / step + 1e-9) + 1):
        y = panel.y(number * step)
        yield (
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{number * step:g}</text>"
        )


def _minutes(panel: Panel) -> Iterable[str]:
    below = panel.top + panel.height
    for minute in range(MINUTES + 1):
        yield (
            f'<text class="small" x="{_x(minute * MINUTE):.1f}" y="{below + 18:g}"'
            f' text-anchor="middle">{minute}</text>'
        )
    yield (
        f'<text class="small" x="{WIDTH - RIGHT}" y="{below + 36:g}" text-anchor="end">'
        "minutes since the window opened, or since power came back</text>"
    )


def _drawn(line: Line, power: Panel, rise: Panel) -> Iterable[str]:
    times = [STEP * number for number in range(-60, round(MINUTES * MINUTE / STEP) + 1)]
    watts = line.curve.power([BEGIN + at for at in times])
    shown = list(zip(times, watts, strict=True))[60:]
    rises = [(at, now - watts[number]) for number, (at, now) in enumerate(shown)]
    for panel, points in ((power, shown), (rise, rises)):
        text = " ".join(_points(panel, points))
        yield f'<polyline class="{line.kind}" points="{text}"/>'


def _points(panel: Panel, points: Sequence[tuple[float, float]]) -> Iterable[str]:
    """Yield the corners of a curve; what is above the panel is cut, what lies flat is left out."""
    heights = [min(watts / MEGAWATT, panel.highest) for _, watts in points]
    yield f"{_x(0):.1f},{panel.y(0):.1f}"
    for number, ((at, _), height) in enumerate(zip(points, heights, strict=True)):
        beside = heights[max(number - 1, 0)], heights[min(number + 1, len(heights) - 1)]
        if beside != (height, height) or number in {0, len(heights) - 1}:
            yield f"{_x(at):.1f},{panel.y(height):.1f}"


def _x(at: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / (MINUTES * MINUTE)


def _rounded_up(megawatts: float) -> float:
    step = 0.5 if megawatts > 1.5 else 0.1
    return step * (int(megawatts / step) + 1)


if __name__ == "__main__":
    PATH.write_text(drawing(), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
