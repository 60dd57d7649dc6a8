"""What one daemon leaves to the next: that it runs, and which devices rest since when.

While a daemon runs a marker with the kernel's boot id is in the state directory; a clean end
removes it. So the next daemon knows whether the last one ended, was killed, or lost its machine.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from drivers.api import Clock, Log
from stratum_client.boot import Boot
from stratum_client.control.rests_file import (
    Beginning,
    Ending,
    Leavings,
    RestsFileError,
    beginning,
    ending_told_by,
    leavings_in,
    marker_text,
    text_of,
)
from stratum_client.control.soft_restart import Rest, RestartRules
from stratum_client.state_file import StateFile

MARKER_NAME, RESTS_NAME = "running.json", "rests.json"

LAST_WRITE = 1.0
"""Seconds that a clean end waits for the disk."""


class Kept(Protocol):
    """A small file that outlives the daemon; what it does raises OSError."""

    @property
    def path(self) -> Path:
        """Return where it is."""
        ...

    def read(self) -> bytes | None:
        """Return the content, None if there is no such file."""
        ...

    def put_aside(self) -> Path:
        """Give a damaged file another name."""
        ...

    async def write(self, data: bytes) -> None:
        """Return when ``data`` is on the disk."""
        ...

    async def remove(self) -> None:
        """Return when the file is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What one daemon leaves to the next one: that it runs, and what rests since when."""

    marker: Kept
    rests: Kept


def left_in(state_dir: Path) -> Left:
    """Return the files in a state directory."""
    return Left(marker=StateFile(state_dir / MARKER_NAME), rests=StateFile(state_dir / RESTS_NAME))


class RestartMemory:
    """Without ``left`` nothing is known of the last daemon, and nothing is left to the next."""

    def __init__(self, left: Left | None, *, boot: Boot, clock: Clock, log: Log) -> None:
        self._left = left
        self._boot = boot
        self._clock = clock
        self._log = log
        self._is_marked = False
        self._saved: bytes | None = None
        self._failed: set[str] = set()

    def beginning(self, rules: RestartRules, random: Random) -> Beginning:
        """Return what devices begin with, as the last daemon ended; reads the files."""
        now = self._clock.wall()
        marker = self._read(self._left.marker) if self._left else None
        ending = ending_told_by(marker, self._boot.id)
        wait = random.uniform(*rules.wait) if ending is Ending.POWER_LOST else 0.0
        if ending is Ending.POWER_LOST:
            reason = "the machine went down while a daemon ran"
            self._log.warning("power.lost", reason=reason, wait=round(wait, 1))
        elif ending is Ending.KILLED:
            self._log.warning("daemon.was_killed", reason="the last daemon ended without its end")
        return beginning(
            self._leavings(),
            ending,
            boot_id=self._boot.id,
            booted=now - self._boot.uptime,
            wait_until=now + wait,
            now=now,
        )

    def is_kept(self, rests: Mapping[str, Rest]) -> bool:
        """Return whether the next daemon would know of ``rests``."""
        return self._left is None or text_of(self._boot.id, rests) == self._saved

    async def keep(self, rests: Mapping[str, Rest]) -> None:
        """Write down what differs from what was written last; that it fails is told once.

        The marker comes last: a kill before it leaves the one that tells of a loss of power.
        """
        if not self._left:
            return
        if not self.is_kept(rests):
            text = text_of(self._boot.id, rests)
            self._saved = text if await self._write(self._left.rests, text) else None
        if not self._is_marked:
            text = marker_text(self._boot.id, self._clock.wall())
            self._is_marked = await self._write(self._left.marker, text)

    async def end(self, rests: Mapping[str, Rest]) -> None:
        """Write ``rests`` down, then that this was a clean end."""
        if not self._left:
            return
        try:
            async with asyncio.timeout(LAST_WRITE):
                await self._left.rests.write(text_of(self._boot.id, rests))
                await self._left.marker.remove()
        except (OSError, TimeoutError) as error:
            problem = error.strerror or str(error) or "the disk took too long"
            self._log.warning("rests.not_saved", error=problem)
        self._is_marked, self._saved = False, None

    def _leavings(self) -> Leavings:
        file = self._left.rests if self._left else None
        if file is None:
            return Leavings()
        try:
            data = file.read()
        except OSError as error:
            self._tell_unreadable(file, error)
            return Leavings(is_lost=True)
        if data is None:
            return Leavings()
        try:
            return leavings_in(data)
        except RestsFileError as error:
            aside = str(file.put_aside())
            self._log.error("rests.damaged", path=str(file.path), error=str(error), kept_as=aside)
            return Leavings(is_lost=True)

    def _read(self, file: Kept) -> bytes | None:
        try:
            return file.read()
        except OSError as error:
            self._tell_unreadable(file, error)
            return b""  # it is there

    def _tell_unreadable(self, file: Kept, error: OSError) -> None:
        problem = error.strerror or str(error)
        self._log.error("rests.unreadable", path=str(file.path), error=problem)

    async def _write(self, file: Kept, data: bytes) -> bool:
        try:
            await file.write(data)
        except OSError as error:
            problem = f"{file.path}: {error.strerror or error}"
            if problem not in self._failed:
                self._failed.add(problem)
                self._log.error("rests.not_saved", error=problem, is_tried_again=True)
            return False
        return True
