"""The controls of boards with the bitaxe-raw firmware: one pin resets, the rest is on I2C.

Source: order and pauses of 256foundation/mujina board/bitaxe.rs (reset low, I2C at 100 kHz, fan at
full, regulator, 500 ms, reset high, 200 ms) and board/emberone00.rs (5 ms before its sensors);
bitaxeorg/ESP-Miner (100 ms in reset).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from drivers.bm13xx.controls import (
    Controls,
    ControlsRequest,
    Readings,
    Step,
    all_tried,
    reading,
)
from drivers.bm13xx.parts import CoolingPart, Fitted, Gauge, Rail, RailPart
from drivers.bm13xx.ports import CONTROL
from drivers.errors import BringUpError, DriverError, TransportLostError
from drivers.peripherals.bitaxe_raw import gpio_write, set_i2c_frequency
from drivers.peripherals.control_channel import ControlChannel
from drivers.peripherals.errors import RequestAbandonedError
from drivers.peripherals.i2c import present
from drivers.transports.base import OnLost
from drivers.transports.uart import Uart

I2C_HERTZ = 100_000
POWER_SETTLE = 0.5
SENSOR_SETTLE = 0.005
RESET_HOLD = 0.1
RESET_SETTLE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class BitaxeWiring:
    """What is on a board: ``cooling`` parts, and ``supplies`` of which it has one.

    ``reset_pin`` is low for reset. ``sensor_pins`` are driven high, in order, before the sensors
    can be read.
    """

    cooling: tuple[CoolingPart, ...]
    supplies: tuple[RailPart, ...]
    reset_pin: int = 0
    sensor_pins: tuple[int, ...] = ()

    def controls(self, request: ControlsRequest) -> Controls:
        """Return the controls, not yet open."""
        return BitaxeControls(self, request)


class BitaxeControls:
    """One board's control port and what is behind it."""

    def __init__(self, wiring: BitaxeWiring, request: ControlsRequest) -> None:
        self._wiring = wiring
        self._ports = request.ports
        self._log = request.context.log
        self._channel: ControlChannel | None = None
        self._uart: Uart | None = None
        self._cooling: tuple[Fitted, ...] = ()
        self._rail: Rail | None = None
        self._is_reached = False
        self._is_safe = True
        self._on = False
        self._on_lost: OnLost = _unheard

    @property
    def name(self) -> str:
        """Return what to call the control port."""
        return self._ports.path(CONTROL)

    async def open(self, on_lost: OnLost) -> None:
        """Reset the chips before all else, then fans, then the supply."""
        self._on_lost = on_lost
        channel = await self._connect()
        for pin in self._wiring.sensor_pins:
            await channel.set_pin(pin, high=True)
            await asyncio.sleep(SENSOR_SETTLE)
        await channel.request(set_i2c_frequency(I2C_HERTZ))
        self._cooling = tuple(part.on(channel) for part in self._wiring.cooling)
        for part in self._cooling:
            await part.start()
        await self.set_fan(100.0)
        self._rail = None
        await (await self._supply()).prepare()

    async def power_on(self, volts: float) -> None:
        """Switch the supply on and release the reset."""
        assert self._rail
        self._is_safe = False
        await self._rail.turn_on(volts)
        self._on = True
        await asyncio.sleep(POWER_SETTLE)
        await self._reset(low=False)
        await asyncio.sleep(RESET_SETTLE)

    async def set_voltage(self, volts: float) -> None:
        """Change the core voltage while the supply is on."""
        if self._is_safe:
            raise RequestAbandonedError(self.name, "core voltage")
        assert self._rail
        await self._rail.set_voltage(volts)

    async def reset_chips(self) -> None:
        """Pulse the reset."""
        await self._reset(low=True)
        await asyncio.sleep(RESET_HOLD)
        await self._reset(low=False)
        await asyncio.sleep(RESET_SETTLE)

    async def power_off(self) -> None:
        """Reset, then the supply off."""
        assert self._rail
        await self._reset(low=True)
        self._on = False
        await self._rail.turn_off()

    async def read(self) -> Readings:
        """Return what the sensors say, and the supply too while it is on."""
        rail, is_on = self._rail, self._on
        assert rail
        thermometers: dict[str, Gauge] = dict(rail.thermometers)
        tachometers: dict[str, Gauge] = {}
        for part in self._cooling:
            thermometers |= part.thermometers
            tachometers |= part.tachometers
        return Readings(
            temperatures=await _read_all(thermometers),
            rpm=await _read_all(tachometers),
            watts=await self._watts(rail, is_on=is_on),
            watts_are_whole=rail.watts_are_whole,
            faults=await reading(rail.faults()) or () if is_on else (),
        )

    async def set_fan(self, percent: float) -> None:
        """Set the duty of all fans."""
        for part in self._cooling:
            if part.set_fan:
                await part.set_fan(percent)

    def safe_off(self) -> None:
        """Give up what is under way and write the reset."""
        if self._channel and not self._is_safe:
            self._is_safe, self._on = True, False
            self._channel.abandon()
            self._channel.send_now(gpio_write(self._wiring.reset_pin, high=False))

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:
        """Make sure of the reset, then the supply off, then the fans."""
        steps: list[Step] = []
        if not self._is_reached:
            steps.append(("control port opened anew", self._reconnected))
        steps.append(("reset low", lambda: self._reset(low=True)))
        steps += [("supply off", self._supply_off), ("supply", self._supply_seen_off)]
        steps.append((f"fan at {fan:.0f} %", partial(self._fan_at, fan)))
        steps += [
            (f"pin {pin} low", partial(self._set_low, pin)) for pin in self._wiring.sensor_pins
        ]
        return await all_tried(self.name, steps)

    def close(self) -> None:
        """Let go of the control port."""
        uart, self._uart = self._uart, None
        if uart:
            uart.close()

    async def _watts(self, rail: Rail, *, is_on: bool) -> float | None:
        """Return what is measured; a supply that is off delivers nothing."""
        if is_on or rail.watts_are_whole:
            return await reading(rail.watts())
        return 0.0 if rail.has_meter else None

    async def _connect(self) -> ControlChannel:
        """Open the port, write the reset at once, and learn how this firmware answers."""
        self.close()
        self._is_reached = False
        channel = ControlChannel(self.name, self._log)
        self._uart = await self._ports.open(
            CONTROL, on_data=channel.receive_data, on_lost=self._lost
        )
        channel.attach(self._uart)
        self._channel = channel
        channel.send_now(gpio_write(self._wiring.reset_pin, high=False))
        await channel.probe()
        self._is_reached = True
        await self._reset(low=True)
        return channel

    async def _reconnected(self) -> None:
        """Reach the board once more; its parts are on the new channel then."""
        channel = await self._connect()
        self._cooling = tuple(part.on(channel) for part in self._wiring.cooling)
        self._rail = None

    async def _supply_off(self) -> None:
        await (await self._supply()).turn_off()

    async def _supply_seen_off(self) -> str:
        return await (await self._supply()).seen_off()

    async def _supply(self) -> Rail:
        """Return the supply, found now if it was not yet."""
        channel = self._reached()
        if self._rail is None:
            self._rail = await self._find_supply(channel)
        return self._rail

    async def _fan_at(self, percent: float) -> None:
        self._reached()
        await self.set_fan(percent)

    async def _find_supply(self, channel: ControlChannel) -> Rail:
        addresses = [part.address for part in self._wiring.supplies if part.address is not None]
        found = await present(channel, addresses)
        for part in self._wiring.supplies:
            if part.address is None or part.address in found:
                return part.on(channel, channel)
        named = ", ".join(f"{address:02x}" for address in addresses)
        raise BringUpError(self.name, f"no regulator at I2C {named}; is it this board?")

    async def _set_low(self, pin: int) -> None:
        await self._reached().set_pin(pin, high=False)

    async def _reset(self, *, low: bool) -> None:
        if self._is_safe and not low:
            raise RequestAbandonedError(self.name, "release of the reset")
        await self._reached().set_pin(self._wiring.reset_pin, high=not low)

    def _reached(self) -> ControlChannel:
        """Return the channel to a board that answers; raise TransportLostError without one."""
        if self._channel is None or not self._is_reached:
            raise TransportLostError(self.name, "not open, or its controller does not answer")
        return self._channel

    def _lost(self, error: TransportLostError) -> None:
        self._is_reached = False
        if self._channel:
            self._channel.lost(error)
        self._on_lost(error)


async def _read_all(gauges: Mapping[str, Gauge]) -> dict[str, float | None]:
    return {name: await reading(gauge()) for name, gauge in gauges.items()}


def _unheard(_error: DriverError) -> None:
    """Take word of a loss that nobody waits for."""
