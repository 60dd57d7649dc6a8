"""The controls of QAxe, QAxe+ and Flex4Axe: their controller does what is asked by name.

The supply can be switched, not set, and there is no reset line that could be held.

Source: shufps/piaxe-miner piaxe/boards/qaxe.py (order, and 5 s after power and reset).
"""

import asyncio
from dataclasses import dataclass

from drivers.bm13xx.controls import Controls, ControlsRequest, Readings, all_tried
from drivers.bm13xx.ports import CONTROL
from drivers.bm13xx.qaxe_channel import QaxeChannel
from drivers.bm13xx.qaxe_messages import Operation, State, control_parameters, state_of
from drivers.errors import DriverError, TransportLostError
from drivers.peripherals.errors import PeripheralError, RequestAbandonedError
from drivers.transports.base import OnLost
from drivers.transports.uart import Uart

POWER_SETTLE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QaxeWiring:
    """How many thermometers, and whether the power is switched on by an operation of its own."""

    sensors: int
    has_power_on: bool = False

    def controls(self, request: ControlsRequest) -> Controls:
        """Return the controls, not yet open."""
        return QaxeControls(self, request)


class QaxeControls:
    """One board's control port."""

    def __init__(self, wiring: QaxeWiring, request: ControlsRequest) -> None:
        self._wiring = wiring
        self._ports = request.ports
        self._channel: QaxeChannel | None = None
        self._uart: Uart | None = None
        self._is_safe = True
        self._made_safe = asyncio.Event()
        self._is_lost = False
        self._supply = False
        self._fan = 100.0
        self._on_lost: OnLost = _unheard

    @property
    def name(self) -> str:
        """Return what to call the control port."""
        return self._ports.path(CONTROL)

    async def open(self, on_lost: OnLost) -> None:
        """Switch the chips off before all else, then fans at full."""
        self._on_lost = on_lost
        await self._connect()
        await self.set_fan(100.0)

    async def power_on(self, volts: float) -> None:  # noqa: ARG002 - it is fixed
        """Switch the supply on and reset the chips."""
        self._is_safe, self._supply = False, True
        self._made_safe.clear()
        await self.set_fan(self._fan)
        if self._wiring.has_power_on:
            await self._ask(Operation.POWER_ON)
        await self._settle("power on")
        state = await self._state()
        if not state.power_good:
            raise PeripheralError(self.name, "supply switched on, but it is not good")
        await self.reset_chips()

    async def reset_chips(self) -> None:
        """Pulse the reset."""
        await self._ask(Operation.RESET)
        await self._settle("reset")

    async def power_off(self) -> None:
        """Switch the supply off."""
        self._supply = False
        await self._ask(Operation.SHUTDOWN)
        await self.set_fan(self._fan)

    async def read(self) -> Readings:
        """Return what the sensors say."""
        is_on = self._supply
        try:
            state = await self._state()
        except (TransportLostError, RequestAbandonedError):
            raise
        except DriverError:
            return Readings(temperatures=dict.fromkeys(self._names()))
        faults = () if state.power_good or not is_on else ("supply not good",)
        temperatures = dict(zip(self._names(), state.temperatures, strict=True))
        return Readings(temperatures=temperatures, faults=faults)

    async def set_fan(self, percent: float) -> None:
        """Set the duty of all fans; the request says again whether the supply is on."""
        self._fan = percent
        parameters = control_parameters(supply=self._supply, fan=percent)
        await self._ask(Operation.SET_CONTROL, parameters)

    def safe_off(self) -> None:
        """Give up what is under way and write the shutdown."""
        if self._channel and not self._is_safe:
            self._is_safe, self._supply = True, False
            self._made_safe.set()
            self._channel.abandon()
            self._channel.send_now(Operation.SHUTDOWN)

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:
        """Make sure of the shutdown, then the fans."""
        self._supply = False
        is_closed = self._channel is None or self._is_lost
        reopened = (("control port opened anew", self._connect),) if is_closed else ()
        return await all_tried(
            self.name,
            (
                *reopened,
                ("shutdown", self._shut_down),
                ("supply", self._seen_off),
                (f"fan at {fan:.0f} %", lambda: self.set_fan(fan)),
            ),
        )

    def close(self) -> None:
        """Let go of the control port."""
        uart, self._uart = self._uart, None
        if uart:
            uart.close()

    async def _connect(self) -> None:
        """Open the port and shut the chips down."""
        self.close()
        channel = QaxeChannel(self.name)
        self._channel = None
        self._uart = await self._ports.open(
            CONTROL, on_data=channel.receive_data, on_lost=self._lost
        )
        channel.attach(self._uart)
        self._channel, self._is_lost, self._supply = channel, False, False
        await self._shut_down()

    async def _settle(self, name: str) -> None:
        """Let the board's long pause pass; raise RequestAbandonedError if it is made safe."""
        try:
            async with asyncio.timeout(POWER_SETTLE):
                await self._made_safe.wait()
        except TimeoutError:
            return
        raise RequestAbandonedError(self.name, name)

    async def _shut_down(self) -> None:
        await self._ask(Operation.SHUTDOWN)

    async def _seen_off(self) -> str:
        if (await self._state()).power_good:
            raise PeripheralError(self.name, "shut down, but the supply is still good")
        return "supply reads off"

    async def _state(self) -> State:
        return state_of(await self._ask(Operation.GET_STATE), self._wiring.sensors)

    async def _ask(self, operation: Operation, parameters: bytes | None = None) -> bytes:
        if self._channel is None:
            raise TransportLostError(self.name, "not open")
        return await self._channel.ask(operation, parameters)

    def _names(self) -> list[str]:
        return [f"near chips {number}" for number in range(1, self._wiring.sensors + 1)]

    def _lost(self, error: TransportLostError) -> None:
        self._is_lost = True
        if self._channel:
            self._channel.lost(error)
        self._on_lost(error)


def _unheard(_error: DriverError) -> None:
    """Take word of a loss that nobody waits for."""
