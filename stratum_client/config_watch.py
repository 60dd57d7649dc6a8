"""Whether somebody has changed the configuration file, while nothing ran or behind our back.

Its digest is kept in the state directory. A file that is another one than was seen last is told
of once, with its owner and when it was written; who has it read again is told by `reload` itself.
"""

import asyncio
import hashlib
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from drivers.api import Log
from stratum_client.control.claims import utc
from stratum_client.state_file import StateFile

FILE_NAME = "config.json"

LOOK_EVERY = 60.0

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One state of the file."""

    digest: str
    owner: str
    written: float


class ConfigWatch:
    """Looks at ``path`` every so often; what was seen is kept in ``file``."""

    def __init__(self, path: Path, file: StateFile, log: Log, *, every: float = LOOK_EVERY) -> None:
        self._path = path
        self._file = file
        self._log = log
        self._every = every
        self._last: object = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Tell of another file than was seen last."""
        seen = await asyncio.to_thread(self._seen)
        known = self._last or self._known()
        now = {"path": str(self._path.absolute()), "sha256": seen.digest if seen else ""}
        self._last = now
        if known == now:
            return
        if known:
            told = {"owner": seen.owner, "written": utc(seen.written)} if seen else {}
            problem = "" if seen else "the file cannot be read any more"
            self._log.warning("config.changed", **now, **told, reason=problem)
        try:
            await self._file.write(json.dumps(now).encode())
        except OSError as error:
            self._log.debug("config.not_noted", error=error.strerror or str(error))

    def _seen(self) -> _Seen | None:
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                digest = hashlib.sha256(file.read(_LARGEST)).hexdigest()
        except OSError:
            return None
        return _Seen(digest=digest, owner=_name_of(about.st_uid), written=about.st_mtime)

    def _known(self) -> object:
        try:
            data = self._file.read()
            return json.loads(data) if data else None
        except (OSError, ValueError, RecursionError):
            return None


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
