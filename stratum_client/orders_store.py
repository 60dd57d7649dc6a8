"""The orders that outlive the daemon, with their numbers; and a trail of who ended them by force.

Both lie in the state directory. ``orders.json`` is replaced as a whole before an order is
acknowledged. ``audit.jsonl`` is only ever appended to: one JSON object a line.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from drivers.api import Clock, Log
from stratum_client.control.claims import IDLE, Claim, Level, utc
from stratum_client.control.claims_file import ClaimsFileError
from stratum_client.control.curtail import OrderBook
from stratum_client.control.orders_file import book_in, book_text
from stratum_client.state_file import StateFile, append

FILE_NAME = "orders.json"
AUDIT_NAME = "audit.jsonl"

AGAIN_AFTER = 60.0
"""Seconds after which is tried again what the disk did not take."""

LOST_ISSUER = "lost orders"
"""Issuer of the claim that holds a rig whose record of orders cannot be read."""


class OrdersStore:
    """Without a ``directory`` nothing is remembered. ``book`` returns what is to be."""

    def __init__(
        self, directory: Path | None, book: Callable[[], OrderBook], *, clock: Clock, log: Log
    ) -> None:
        self.problem = "" if directory else "there is no state directory"
        self._directory = directory
        self._file = StateFile(directory / FILE_NAME) if directory else None
        self._book = book
        self._saved: OrderBook | None = None
        self._clock = clock
        self._log = log

    def restored(self) -> OrderBook:
        """Return what was in force when the last daemon ended, however it ended, expired or not.

        A record that is there but cannot be read held orders: the rig rests until somebody who
        knows them ends that by force.
        """
        if not self._file:
            return OrderBook()
        path = str(self._file.path)
        try:
            data = self._file.read()
        except OSError as error:
            self._log.error("orders.unreadable", path=path, error=error.strerror or str(error))
            return self._lost(path)
        if data is None:
            return OrderBook()
        try:
            return book_in(data)
        except ClaimsFileError as error:
            aside = str(self._file.copy_aside(data))  # to move it would let the next start mine
            self._log.error("orders.damaged", path=path, error=str(error), kept_as=aside)
            return self._lost(path)

    async def save(self) -> str:
        """Write the orders down; return why that did not work."""
        if not self._file:
            return self.problem
        book = self._book()
        if book == self._saved:
            return ""
        self._saved = None
        try:
            await self._file.write(book_text(book))
        except OSError as error:
            self.problem = f"{self._file.path}: {error.strerror or error}"
            self._log.error("orders.not_saved", error=self.problem, again_in=AGAIN_AFTER)
            return self.problem
        self.problem, self._saved = "", book
        return ""

    async def audit(self, what: str, fields: Mapping[str, object]) -> str:
        """Add a line to the trail; return why that did not work."""
        if not self._directory:
            return self.problem
        line = json.dumps({"at": utc(self._clock.wall()), "what": what, **fields}) + "\n"
        path = self._directory / AUDIT_NAME
        try:
            await append(path, line.encode())
        except OSError as error:
            problem = f"{path}: {error.strerror or error}"
            self._log.error("audit.not_saved", error=problem)
            return problem
        return ""

    def _lost(self, path: str) -> OrderBook:
        return OrderBook().stated(
            Claim(
                level=Level.ORDER,
                issuer=LOST_ISSUER,
                limit=IDLE,
                cause=f"the record of orders, {path}, cannot be read: end this by force",
                since=self._clock.wall(),
            )
        )
