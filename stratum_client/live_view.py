"""The live status block at the foot of a terminal, log lines scrolling above it."""

import asyncio
import shutil
from collections.abc import Callable

REFRESH = 0.5
_CLEAR_LINE = "\x1b[2K"
_HIDE_WRAP, _SHOW_WRAP = "\x1b[?7l", "\x1b[?7h"


class LiveView:
    """Keeps a few lines redrawn in place; everything else goes through `write`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._lines: Callable[[int], list[str]] = lambda _: []
        self._drawn = 0

    async def run(self, lines: Callable[[int], list[str]]) -> None:
        """Redraw what ``lines`` returns for a width, until cancelled; the last picture stays."""
        self._lines = lines
        try:
            while True:
                self._draw()
                await asyncio.sleep(REFRESH)
        finally:
            self._draw()

    def write(self, text: str) -> None:
        """Write log text above the block."""
        self._write(self._erased() + text)
        self._drawn = 0
        self._draw()

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        lines = _fitting(self._lines(size.columns), max(size.lines - 1, 1))
        body = "".join(f"{_CLEAR_LINE}{line}\n" for line in lines)
        self._write(self._erased() + _HIDE_WRAP + body + _SHOW_WRAP)
        self._drawn = len(lines)

    def _erased(self) -> str:
        """Return what clears the block and puts the cursor where it began."""
        return f"\r\x1b[{self._drawn}A\x1b[J" if self._drawn else ""


def _fitting(lines: list[str], room: int) -> list[str]:
    """Return as many lines as there is room for, the last one saying how many there are not."""
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"({len(lines) - room + 1} more)"]
