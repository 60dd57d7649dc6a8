"""What a process holds: objects by type, entries of containers, tasks, timers, memory."""

import asyncio
import gc
import os
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

OURS = ("stratum_client.", "drivers.", "asyncio", "_asyncio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """One look at this process; ``entries`` are those of all lists, dicts, sets and deques."""

    objects: int
    entries: int
    tasks: int
    timers: int
    resident: int
    types: Counter[str]

    @classmethod
    def now(cls) -> "Holdings":
        """Look."""
        gc.collect()
        types: Counter[str] = Counter()
        entries = 0
        objects = gc.get_objects()
        for one in objects:
            kind = type(one)
            if kind.__module__.startswith(OURS):
                types[f"{kind.__module__}.{kind.__qualname__}"] += 1
            if isinstance(one, dict | list | set | deque) and one is not objects:
                entries += len(one)
        loop = asyncio.get_running_loop()
        return cls(
            objects=len(objects),
            entries=entries,
            tasks=len(asyncio.all_tasks()),
            timers=len(loop._scheduled),  # type: ignore[attr-defined]  # nobody else knows
            resident=_resident(),
            types=types,
        )

    def since(self, before: "Holdings") -> str:
        """Return what has grown, in words."""
        kinds = (self.types - before.types).most_common(8)
        return (
            f"objects {before.objects} -> {self.objects}, entries {before.entries} ->"
            f" {self.entries}, tasks {before.tasks} -> {self.tasks}, timers {before.timers} ->"
            f" {self.timers}, resident {before.resident / 2**20:.1f} ->"
            f" {self.resident / 2**20:.1f} MB; types: {kinds}"
        )


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
