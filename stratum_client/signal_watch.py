"""What happens when nobody could give an order any more: the broker or the contact is away."""

import asyncio

from drivers.api import Clock, Log
from stratum_client.broker_desk import BrokerDesk
from stratum_client.config_curtail import CurtailConfig
from stratum_client.contact_watch import ContactWatch
from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.device_control import DeviceControl

ISSUER = "signal lost"

_LOOK_EVERY = 1.0


class SignalWatch:
    """States a claim of its own where ``on_signal_lost`` is "idle"; else it only says so."""

    def __init__(
        self,
        settings: CurtailConfig,
        broker: BrokerDesk,
        contact: ContactWatch,
        control: DeviceControl,
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._contact = contact
        self._control = control
        self._clock = clock
        self._log = log
        self._lost = ""

    def configure(self, settings: CurtailConfig) -> None:
        """Do otherwise from now on; what is lost stays lost."""
        if settings.on_signal_lost != self._settings.on_signal_lost:
            self._lost = ""
            self._control.take(Level.ORDER, ISSUER, [])
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled; time alone makes a silence a loss."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_EVERY)

    def look(self) -> None:
        """Note what is lost by now, and what is back."""
        lost = self._lost_now()
        if lost == self._lost:
            return
        if lost:
            self._log.warning("order.signal_lost", reason=lost, then=self._settings.on_signal_lost)
        else:
            self._log.info("order.signal_back")
        self._lost = lost
        if self._settings.on_signal_lost == "idle":
            self._control.take(Level.ORDER, ISSUER, [self._claim(lost)] if lost else [])

    def _lost_now(self) -> str:
        is_listened_to = "mqtt" in self._settings.sources and bool(self._settings.keys)
        ways = {
            "the broker is away": self._broker.lost_since if is_listened_to else None,
            "the contact cannot be read": self._contact.lost_since,
        }
        now, patience = self._clock.monotonic(), self._settings.signal_lost_after
        lost = [way for way, since in ways.items() if since is not None and now - since >= patience]
        return " and ".join(lost)

    def _claim(self, lost: str) -> Claim:
        cause = f"no order could come: {lost}"
        return Claim(
            level=Level.ORDER, issuer=ISSUER, limit=IDLE, cause=cause, since=self._clock.wall()
        )
