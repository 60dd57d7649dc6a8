"""Watches a dry contact, and orders the rig to rest while it is closed."""

import asyncio
from collections.abc import Callable

from drivers.api import Clock, Log
from stratum_client.config_curtail import CurtailConfig
from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.control.contact import DebouncedContact
from stratum_client.control.io.contact_file import contact_content

ISSUER = "contact"

Changed = Callable[[Claim | None, str], None]
"""Is given what the contact orders now, None for nothing, and who that is."""


class ContactWatch:
    """Does nothing where no contact is configured."""

    def __init__(
        self, settings: CurtailConfig, changed: Changed, *, clock: Clock, log: Log
    ) -> None:
        self.settings = settings.contact if "contact" in settings.sources else None
        self._changed = changed
        self._clock = clock
        self._log = log
        contact = self.settings
        self._contact = (
            DebouncedContact(active=contact.active, debounce=contact.debounce) if contact else None
        )

    @property
    def former(self) -> set[str]:
        """Return whose remembered orders nobody will end any more."""
        return set() if self.settings else {ISSUER}

    @property
    def lost_since(self) -> float | None:
        """Return since when the contact cannot be read, on the monotonic clock."""
        return self._contact.unreadable_since if self._contact else None

    @property
    def state(self) -> str:
        """Return how the contact is, in a word."""
        if not self._contact:
            return "none"
        if self._contact.unreadable_since is not None:
            return "unreadable"
        return "closed" if self._contact.is_closed else "open"

    async def run(self) -> None:
        """Read the contact until cancelled."""
        while self.settings:
            self._look()
            await asyncio.sleep(self.settings.poll)

    def _look(self) -> None:
        assert self.settings
        assert self._contact
        before = self._contact.is_closed
        if not self._contact.seen(contact_content(self.settings.file), self._clock.monotonic()):
            return
        path = str(self.settings.file)
        self._log.info("contact.changed", file=path, state=self.state)
        if self._contact.is_closed is not before:
            self._changed(self._claim() if self._contact.is_closed else None, ISSUER)

    def _claim(self) -> Claim:
        assert self.settings
        return Claim(
            level=Level.ORDER,
            issuer=ISSUER,
            limit=IDLE,
            cause=f"ordered by the contact {self.settings.file}",
            since=self._clock.wall(),
        )
