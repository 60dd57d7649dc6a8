"""How much memory a process holds, over time."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

MEGABYTE = 1 << 20
WARM_UP = 5.0
"""Seconds until a process has met all that it meets again and again."""


@dataclass
class MemoryWatch:
    """Samples of one process, in bytes."""

    process: int
    resident: list[int] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    @classmethod
    async def over(cls, process: int, seconds: float) -> Self:
        """Watch a process for so long, from when it has warmed up."""
        watch = cls(process)
        await asyncio.sleep(min(WARM_UP, seconds / 2))
        for _ in range(max(round(seconds - WARM_UP), 2)):
            watch.look()
            await asyncio.sleep(1.0)
        watch.look()
        return watch

    def look(self) -> None:
        """Take one sample."""
        status = Path(f"/proc/{self.process}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines() if "kB" in line)
        self.resident.append(int(values["VmRSS"].split()[0]) << 10)
        self.peak.append(int(values["VmHWM"].split()[0]) << 10)

    @property
    def growth(self) -> int:
        """Return how much more is resident at the end than at the first look."""
        return self.resident[-1] - self.resident[0]

    @property
    def peak_growth(self) -> int:
        """Return by how much the peak rose over what was resident at the first look."""
        return self.peak[-1] - self.resident[0]

    def __str__(self) -> str:
        now, grown = self.resident[-1] / MEGABYTE, self.growth / MEGABYTE
        peak = self.peak_growth / MEGABYTE
        return f"{now:.1f} MB resident, {grown:+.1f} MB since the start, peak {peak:+.1f} MB"
