"""The daemon's rims, where it meets sockets, ports and time, as something that can be stood in for.

`PlainRims` lets everything through. A recorder lets it through and takes notes; a replay plays the
other side from such notes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from drivers.api import Miner, PortInfo, Setpoint
from stratum_client.config import Config
from stratum_client.errors import StratumError
from stratum_client.pool_order import PoolOrder

if TYPE_CHECKING:
    from drivers.transports.tap import PortTap

Way = Callable[[asyncio.Protocol], Awaitable[object]]
"""How to dial: connects a protocol, or raises ConnectError."""


Rates = Mapping[str, float]
"""H/s of each device that hashes."""


class Timer(Protocol):
    """Something that is to be called later."""

    def cancel(self) -> None:
        """Call it no more."""
        ...


class PoolRim(Protocol):
    """All that one pool waits for."""

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:
        """Connect ``connection`` by ``way``; raise ConnectError."""
        ...

    async def tick(self, lost: asyncio.Future[StratumError], seconds: float) -> None:
        """Return after ``seconds``, or when the connection is lost."""
        ...

    async def pause(self, seconds: float) -> None:
        """Return after ``seconds``, when it is time to dial."""
        ...


class Rims(Protocol):
    """Who stands at the rims of one daemon."""

    def pool(self, name: str) -> PoolRim:
        """Return what the pool ``name`` waits with."""
        ...

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:
        """Return what tells the pool ``pool`` the rig's hash rate; called once a tick."""
        ...

    def hashrates(self, measured: Callable[[], Rates]) -> Callable[[], Rates]:
        """Return what tells the H/s by which work is dealt to pools."""
        ...

    def configured(self, config: Config) -> None:
        """Take note of settings that were read again, before anything of them is used or logged."""
        ...

    def ordered(self, order: PoolOrder) -> None:
        """Take note of an order about pools that makes sense, before it is obeyed."""
        ...

    def later(self, seconds: float, decide: Callable[[], None]) -> Timer:
        """Call ``decide`` after ``seconds``: what pools do may change by time alone then."""
        ...

    def miner(self, device: str, miner: Miner) -> Miner:
        """Return what ``device`` gets as its miner."""
        ...

    def tap(self, device: str) -> "PortTap | None":
        """Return what listens at the ports of ``device``."""
        ...

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        """Take note that ``driver`` makes a device of ``port``."""
        ...

    def told(self, device: str, *, clean: bool) -> None:
        """Take note that ``device`` is told of a job, before it is."""
        ...

    def applied(self, device: str, setpoint: Setpoint) -> None:
        """Take note that ``device`` is told what to do, before it is."""
        ...

    def stopping(self) -> None:
        """Take note that the daemon begins to end."""
        ...


class PlainPoolRim:
    """Waits as long as it is told to."""

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:  # noqa: ARG002 - only others need it
        """Connect ``connection`` by ``way``; raise ConnectError."""
        await way(connection)

    async def tick(self, lost: asyncio.Future[StratumError], seconds: float) -> None:
        """Return after ``seconds``, or when the connection is lost."""
        await asyncio.wait([lost], timeout=seconds)

    async def pause(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)


class PlainRims:
    """Nobody: everything passes."""

    def pool(self, name: str) -> PoolRim:  # noqa: ARG002 - all are alike
        """Return what a pool waits with."""
        return PlainPoolRim()

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:  # noqa: ARG002 - all are alike
        """Return ``measured``."""
        return measured

    def hashrates(self, measured: Callable[[], Rates]) -> Callable[[], Rates]:
        """Return ``measured``."""
        return measured

    def configured(self, config: Config) -> None:
        """Take no note."""

    def ordered(self, order: PoolOrder) -> None:
        """Take no note."""

    def later(self, seconds: float, decide: Callable[[], None]) -> Timer:
        """Call ``decide`` after ``seconds``."""
        return asyncio.get_running_loop().call_later(seconds, decide)

    def miner(self, device: str, miner: Miner) -> Miner:  # noqa: ARG002 - all are alike
        """Return ``miner``."""
        return miner

    def tap(self, device: str) -> "PortTap | None":  # noqa: ARG002 - nobody listens
        """Return None: nobody listens."""
        return None

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        """Take no note."""

    def told(self, device: str, *, clean: bool) -> None:
        """Take no note."""

    def applied(self, device: str, setpoint: Setpoint) -> None:
        """Take no note."""

    def stopping(self) -> None:
        """Take no note."""
