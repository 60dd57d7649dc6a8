"""The claims that outlive the daemon: read at the start, written down before they are acknowledged.

What the disk does not take is tried again after `AGAIN_AFTER`.
"""

from collections.abc import Callable

from drivers.api import Clock, Log
from stratum_client.control.claims import Claims
from stratum_client.control.claims_file import ClaimsFileError, claims_in, text_of
from stratum_client.state_file import StateFile

AGAIN_AFTER = 60.0


class ClaimsStore:
    """Without a ``file`` nothing is remembered. ``claims`` returns what is to be."""

    def __init__(
        self, file: StateFile | None, claims: Callable[[], Claims], *, clock: Clock, log: Log
    ) -> None:
        self._file = file
        self._claims = claims
        self._clock = clock
        self._log = log
        self._save_again_at: float | None = None

    @property
    def is_overdue(self) -> bool:
        """Return whether to try again to write down what could not be."""
        again = self._save_again_at
        return again is not None and self._clock.monotonic() >= again

    def restored(self) -> Claims:
        """Return what was in force when the last daemon ended, however it ended."""
        if not self._file:
            return Claims()
        path = str(self._file.path)
        try:
            data = self._file.read()
            claims = claims_in(data) if data is not None else Claims()
        except OSError as error:
            self._log.error("claims.unreadable", path=path, error=error.strerror or str(error))
            return Claims()
        except ClaimsFileError as error:
            aside = str(self._file.put_aside())
            self._log.error("claims.damaged", path=path, error=str(error), kept_as=aside)
            return Claims()
        return claims.in_force(self._clock.wall())

    async def save(self) -> str:
        """Write the claims down; return why that did not work."""
        if not self._file:
            return "there is no state directory"
        try:
            await self._file.write(text_of(self._claims()))
        except OSError as error:
            problem = f"{self._file.path}: {error.strerror or error}"
            self._save_again_at = self._clock.monotonic() + AGAIN_AFTER
            self._log.error("claims.not_saved", error=problem, again_in=AGAIN_AFTER)
            return problem
        self._save_again_at = None
        return ""
