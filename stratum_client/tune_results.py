"""What is known of each board's tuning and ageing, kept in the state directory.

A board is known by its serial number, so it may move to another name, socket or machine; one
without a serial number by its device's name. Written now and then: what a power cut costs is some
minutes of knowledge, never the old record.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from drivers.api import Clock, Log
from stratum_client.control.tuning_file import Record, TuningFileError, records_in, text_of
from stratum_client.state_file import StateFile

FILE_NAME = "tuning.json"

SAVE_EVERY = 900.0
"""Seconds between two writes while nothing important has changed: cards of small machines wear."""

SAVE_AGAIN = 60.0
"""The same after one that failed."""

LAST_WRITE = 1.0
"""Seconds that a clean end waits for the disk."""

NO_DIRECTORY = "there is no state directory"


class TuneResults:
    """The records of all boards ever seen; without a ``file`` they last as long as the daemon."""

    def __init__(self, file: StateFile | None, *, clock: Clock, log: Log) -> None:
        self._file = file
        self._clock = clock
        self._log = log
        self._is_changed = False
        self._save_at = clock.monotonic() + SAVE_EVERY
        self._has_failed = False
        self._records = self._restored()

    def of(self, board: str) -> Record:
        """Return what is known of a board."""
        return self._records.get(board, Record())

    def change(self, board: str, change: Callable[[Record], Record]) -> None:
        """Change what is known of a board; it is written with the next `save`."""
        old = self.of(board)
        new = change(old)
        if new != old:
            self._records.pop(board, None)
            self._records[board] = new
            self._is_changed = True

    def forget(self, board: str) -> None:
        """Forget what was learnt of a board, and its own goal; how it has aged is kept."""
        self.change(board, lambda record: Record(device=record.device, trend=record.trend))

    def soon(self) -> None:
        """Let what has changed be written with the next `save_if_due`."""
        self._save_at = min(self._save_at, self._clock.monotonic())

    async def save_if_due(self) -> None:
        """Write what has changed, if it is time."""
        if self._is_changed and self._clock.monotonic() >= self._save_at:
            await self.save()

    async def save_last(self) -> None:
        """Write what has changed, as the daemon ends; the disk may not keep it from that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITE):
                if self._is_changed and self._file:
                    await self.save()

    async def save(self) -> str:
        """Write all records; return why that did not work."""
        if self._file is None:
            return NO_DIRECTORY
        now = self._clock.monotonic()
        self._save_at, self._is_changed = now + SAVE_EVERY, False
        try:
            await self._file.write(text_of(self._records))
        except OSError as error:
            problem = f"{self._file.path}: {error.strerror or error}"
            self._save_at, self._is_changed = now + SAVE_AGAIN, True
            tell = self._log.debug if self._has_failed else self._log.error
            tell("tuning.not_saved", error=problem, again_in=SAVE_AGAIN)
            self._has_failed = True
            return problem
        self._has_failed = False
        return ""

    def _restored(self) -> dict[str, Record]:
        if self._file is None:
            return {}
        path = str(self._file.path)
        try:
            data = self._file.read()
            return records_in(data) if data is not None else {}
        except OSError as error:
            self._log.error("tuning.unreadable", path=path, error=error.strerror or str(error))
        except TuningFileError as error:
            aside = str(self._file.put_aside())
            self._log.error("tuning.damaged", path=path, error=str(error), kept_as=aside)
        return {}


def with_device(record: Record, device: str) -> Record:
    """Return the record of a board that is now that device."""
    return replace(record, device=device)
