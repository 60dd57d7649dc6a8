"""Rows of the live view: a label, and behind it what there is to say, wrapped; pure."""

import textwrap
from collections.abc import Sequence

from stratum_client.wire import printable

LABEL_WIDTH = 9
"""Columns of a label at least, which all of ours fit."""

WIDEST_LABEL = 24

LONGEST_PART = 600
"""Characters: one about a certificate names digests to copy, and a pool may send anything."""

NARROW = 40
"""Columns of a terminal below which rows are cut rather than wrapped."""

_BETWEEN = " · "


def row_lines(label: str, parts: Sequence[str], *, width: int, label_width: int) -> list[str]:
    """Return a row on as many lines as it needs, none longer than ``width`` characters.

    A line breaks between ``parts``; one that is too long for a line of its own breaks between
    words, so that what is to be copied stays in one piece.
    """
    begin = f"{printable(label, WIDEST_LABEL):<{label_width}} "
    told = [printable(part, LONGEST_PART) for part in parts]
    if width < NARROW:
        return [fitted(begin + _BETWEEN.join(told), width)]
    indent = " " * len(begin)
    body = [line for line in _lines(told, width - len(begin)) if line] or [""]
    return [f"{indent if n else begin}{line}".rstrip() for n, line in enumerate(body)]


def fitted(line: str, width: int) -> str:
    """Return a line that is cut where the terminal ends."""
    line = printable(line, len(line)) if not line.isprintable() else line
    return line if len(line) <= width else (line[: max(width - 1, 0)] + "…")[:width]


def _lines(parts: Sequence[str], room: int) -> list[str]:
    lines = [""]
    for part in parts:
        joined = _BETWEEN.join(filter(None, (lines[-1], part)))
        if len(joined) <= room:
            lines[-1] = joined
        else:
            lines += textwrap.wrap(part, room, break_on_hyphens=False)
    return lines
