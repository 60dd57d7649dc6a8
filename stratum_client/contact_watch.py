"""Watches a dry contact, and orders the rig to rest while it is closed."""

import asyncio
import contextlib
from collections.abc import Callable

from drivers.api import Clock, Log
from stratum_client.config_curtail import ContactConfig, CurtailConfig
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
        self.settings = _contact_of(settings)
        self._changed = changed
        self._clock = clock
        self._log = log
        self._contact = _debounced(self.settings, unreadable_since=None)
        self._is_other = asyncio.Event()

    def configure(self, settings: CurtailConfig) -> None:
        """Watch another contact from now on; what one ordered holds until this one is open."""
        if _contact_of(settings) != self.settings:
            self.settings = _contact_of(settings)
            self._contact = _debounced(self.settings, unreadable_since=self.lost_since)
            self._is_other.set()

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
        while True:
            self._is_other.clear()
            if self.settings:
                self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.poll if self.settings else None):
                    await self._is_other.wait()

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


def _contact_of(settings: CurtailConfig) -> ContactConfig | None:
    return settings.contact if "contact" in settings.sources else None


def _debounced(
    settings: ContactConfig | None, *, unreadable_since: float | None
) -> DebouncedContact | None:
    if settings is None:
        return None
    return DebouncedContact(
        active=settings.active, debounce=settings.debounce, unreadable_since=unreadable_since
    )
