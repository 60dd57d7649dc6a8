"""The controls of GekkoScience's A1 and A2: enable lines on the bridge, and the telemetry micro.

Three lines of the bridge's first port, low for on, are reset and supply of the chips; the micro on
its second port sets the core voltage, switches the regulator and measures. Lines that go high turn
the regulator off, and it stays so until it is told. Nobody has written down whether the micro is
awake meanwhile: nothing here needs it to be, and nothing suffers if it is.

Source: kanoi/cgminer driver-gekko.c (compac_toggle_reset, enable_gsa1_telem, cool-down at 100 mV).
"""

import asyncio
from dataclasses import dataclass
from typing import cast

from drivers.bm13xx.controls import Controls, ControlsRequest, Readings, all_tried, reading
from drivers.bm13xx.ports import CONTROL
from drivers.errors import BringUpError, DriverError, TransportLostError, TransportTimeoutError
from drivers.peripherals.errors import PeripheralError, RequestAbandonedError
from drivers.peripherals.gekko_channel import MicroChannel, MicroCounts
from drivers.peripherals.gekko_micro import (
    MASK_REQUEST,
    MOST_BYTES,
    TELEMETRY_REQUEST,
    VERSION_REQUEST,
    Firmware,
    Led,
    Telemetry,
    fan_request,
    firmware_of,
    led_request,
    regulator_request,
    telemetry_of,
    voltage_request,
)
from drivers.transports.base import OnLost
from drivers.transports.bridge_ports import BridgePort
from drivers.transports.errors import PortOpenError
from drivers.transports.uart import Uart

ENABLES, ON, OFF = 0x7, 0x0, 0x7
"""The three lines, and their levels."""

SETTLE = 0.1
"""Seconds after a move of the lines."""

REST_VOLTS = 0.1
"""Core voltage that is set before the regulator goes off."""

RISE = 0.2
"""Seconds until the core voltage is there."""

DEAD_VOLTS = 0.1
"""Below it a core voltage is off: chips do nothing with it."""

EXCESS = 1.5
"""So many times the voltage that was set is a fault; what is measured may well differ by less."""

_TEMPERATURES = ("board", "second")
_VERSION_SIZES = range(1, 9)
_MASK_SIZES = range(1, 2)
_LEAST_BYTES = 5  # up to the first temperature
_LOOKS = 5
_DISCHARGE_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GekkoWiring:
    """Whether the micro drives a fan, and whether all power comes by USB.

    Its controls want a `BridgePort`.
    """

    has_fan: bool = False
    is_bus_powered: bool = False

    def controls(self, request: ControlsRequest) -> Controls:
        """Return the controls, not yet open."""
        return GekkoControls(self, request)


class GekkoControls:
    """One stick's enable lines and micro."""

    def __init__(self, wiring: GekkoWiring, request: ControlsRequest) -> None:
        self._wiring = wiring
        self._ports = cast("BridgePort", request.ports)
        self._log = request.context.log
        self._counts = MicroCounts()
        self._channel: MicroChannel | None = None
        self._uart: Uart | None = None
        self._firmware: Firmware | None = None
        self._size = 0
        self._is_safe = True
        self._is_lost = False
        self._volts = 0.0
        self._on_lost: OnLost = _unheard

    @property
    def name(self) -> str:
        """Return what to call the micro's port."""
        return self._ports.path(CONTROL)

    async def open(self, on_lost: OnLost) -> None:
        """Reset all that is behind the lines, then find the micro and switch its regulator off."""
        self._on_lost = on_lost
        self._is_safe, self._volts = False, 0.0
        await self._pulse()
        await self._connect()
        firmware = self._firmware = await self._found()
        await self._regulator_off()
        self._size = await self._measured_size()
        self._log.info("telemetry.found", version=str(firmware), bytes=self._size)
        await self.set_fan(100.0)

    async def power_on(self, volts: float) -> None:
        """Reset the chips, set the core voltage and switch the regulator on."""
        self._is_safe = False
        await self._pulse()
        for request in (
            voltage_request(volts),
            regulator_request(on=True),
            led_request(Led.WORK),
        ):
            self._check_wanted()
            await self._tell(request)
        await asyncio.sleep(RISE)
        self._check_wanted()
        self._volts = volts
        measured = (await self._telemetry()).volts
        if measured is not None and (problem := self._problem(measured)):
            raise PeripheralError(self.name, f"regulator switched on, but {problem}")

    async def set_voltage(self, volts: float) -> None:
        """Change the core voltage while the regulator is on."""
        await self._tell(voltage_request(volts))
        if not self._is_safe:
            self._volts = volts

    async def reset_chips(self) -> None:
        """Pulse the lines; that takes the regulator off, so that it is switched on again."""
        await self.power_on(self._volts)

    async def power_off(self) -> None:
        """Switch the regulator off; the lines stay low, so that the micro goes on measuring."""
        self._volts = 0.0
        await self._regulator_off()
        await self._tell(led_request(Led.ON))

    async def read(self) -> Readings:
        """Return what the micro measures."""
        found = await reading(self._telemetry())
        names = _TEMPERATURES[: 2 if self._has_second else 1]
        if found is None:
            return Readings(
                temperatures=dict.fromkeys(names),
                rpm=self._rpm(None),
                measured={"way": self._ports.way},
            )
        problem = "" if found.volts is None else self._problem(found.volts)
        values = {
            "input_volts": found.input_volts,
            "input_amps": found.input_amps,
            "core_volts": found.volts,
            "core_amps": found.amps,
        }
        return Readings(
            temperatures=dict(zip(names, found.temperatures, strict=False)),
            rpm=self._rpm(found.rpm),
            watts=found.watts,
            watts_are_whole=True,
            faults=(problem,) if problem and self._volts else (),
            measured={"way": self._ports.way}
            | {name: round(value, 3) for name, value in values.items() if value is not None},
        )

    async def set_fan(self, percent: float) -> None:
        """Set the fan's duty, where there is a fan."""
        if self._wiring.has_fan:
            await self._tell(fan_request(percent))

    def safe_off(self) -> None:
        """Give up what is under way; lines high, regulator off."""
        if self._is_safe:
            return
        self._is_safe, self._volts = True, 0.0
        self._ports.set_pins_soon(mask=ENABLES, levels=OFF)
        if self._channel:
            self._channel.abandon()
            self._channel.send_now(regulator_request(on=False))

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:
        """Make sure of lines and regulator, then the fan."""
        self._is_safe, self._volts = True, 0.0
        is_closed = self._channel is None or self._is_lost
        reopened = (("telemetry port opened anew", self._connect),) if is_closed else ()
        if await self._is_pulled():
            return ("pulled, and so without power",)
        blowing = ((f"fan told {fan:.0f} %", lambda: self.set_fan(fan)),)
        return await all_tried(
            self.name,
            (
                ("enable lines", self._lines_off),
                *reopened,
                ("regulator", self._seen_off),
                *(blowing if self._wiring.has_fan else ()),
            ),
        )

    def close(self) -> None:
        """Let go of the micro's port."""
        uart, self._uart = self._uart, None
        if uart:
            uart.close()

    # -- lines and regulator

    async def _pulse(self) -> None:
        """Put everything behind the lines into its state after power came."""
        for levels in (OFF, ON):
            if levels == ON:
                self._check_wanted()
            await self._ports.set_pins(mask=ENABLES, levels=levels)
            await asyncio.sleep(SETTLE)

    def _check_wanted(self) -> None:
        if self._is_safe:
            raise RequestAbandonedError(self.name, "power on")

    async def _regulator_off(self) -> None:
        await self._tell(voltage_request(REST_VOLTS))
        await self._tell(regulator_request(on=False))

    async def _is_pulled(self) -> bool:
        """Tell whether there is nothing left to be switched off."""
        if not (self._wiring.is_bus_powered and self._is_lost):
            return False
        try:
            async with asyncio.timeout(SETTLE):
                await self._ports.read_pins()
        except (PortOpenError, TransportLostError):
            return True
        except (DriverError, TimeoutError):
            return False
        return False

    async def _lines_off(self) -> str:
        await self._ports.set_pins(mask=ENABLES, levels=OFF)
        if await self._ports.read_pins() & ENABLES != OFF:
            raise PeripheralError(self.name, "told to go high, but they read low")
        return "enable lines read off"

    async def _seen_off(self) -> str:
        """Return what the micro says of the regulator; asleep behind its lines it says nothing."""
        await self._tell(regulator_request(on=False))
        for look in range(1, _DISCHARGE_LOOKS + 1):
            try:
                volts = (await self._telemetry(tries=1)).volts
            except TransportTimeoutError:
                return "telemetry silent behind its lines"
            if volts is None or volts < DEAD_VOLTS:
                break
            if look == _DISCHARGE_LOOKS:
                raise PeripheralError(self.name, f"switched off, but at {volts:.2f} V")
        return "regulator reads off"

    def _problem(self, volts: float) -> str:
        """Return what is wrong with a core voltage that is on; empty if it may be right."""
        if volts < DEAD_VOLTS:
            return f"the core voltage reads {volts:.2f} V, set to {self._volts:.2f}"
        if volts > max(self._volts, REST_VOLTS) * EXCESS:
            return f"the core voltage reads {volts:.2f} V, too much for {self._volts:.2f}"
        return ""

    # -- the micro

    @property
    def _has_second(self) -> bool:
        return self._firmware is not None and self._firmware.tells(MOST_BYTES - 2)

    def _rpm(self, value: float | None) -> dict[str, float | None]:
        return {"fan": value} if self._wiring.has_fan else {}

    async def _connect(self) -> None:
        """Open the micro's port."""
        self.close()
        channel = MicroChannel(self.name, self._counts)
        self._channel = None
        self._uart = await self._ports.open(
            CONTROL, on_data=channel.receive_data, on_lost=self._lost
        )
        channel.attach(self._uart)
        self._channel, self._is_lost = channel, False

    async def _found(self) -> Firmware:
        """Return the micro's firmware; raise BringUpError without one that we know."""
        channel = self._opened()
        answer = await channel.ask(VERSION_REQUEST, _VERSION_SIZES)
        firmware = firmware_of(answer)
        if firmware is None:
            problem = f"telemetry of an unknown version, {answer[0]:02x}; it is not mined without"
            raise BringUpError(self.name, problem)
        if not firmware.has_mask:
            return firmware
        [mask] = await channel.ask(MASK_REQUEST, _MASK_SIZES)
        return Firmware(major=firmware.major, minor=firmware.minor, mask=mask)

    async def _measured_size(self) -> int:
        """Return how many bytes the firmware's telemetry has, told twice in a row."""
        sizes = range(_LEAST_BYTES, MOST_BYTES + 1)
        last = 0
        for _ in range(_LOOKS):
            size = len(await self._opened().ask(TELEMETRY_REQUEST, sizes))
            if size == last:
                return size
            last = size
        raise BringUpError(self.name, "telemetry of a different length each time")

    async def _telemetry(self, *, tries: int = 2) -> Telemetry:
        channel, firmware = self._opened(), self._firmware or _BEFORE_KNOWN
        size = self._size or _LEAST_BYTES
        sizes = range(size, (self._size or MOST_BYTES) + 1)
        return telemetry_of(await channel.ask(TELEMETRY_REQUEST, sizes, tries=tries), firmware)

    async def _tell(self, request: bytes) -> None:
        await self._opened().tell(request)

    def _opened(self) -> MicroChannel:
        if self._channel is None:
            raise TransportLostError(self.name, "not open")
        return self._channel

    def _lost(self, error: TransportLostError) -> None:
        self._is_lost = True
        if self._channel:
            self._channel.lost(error)
        self._on_lost(error)


_BEFORE_KNOWN = Firmware(major=1, minor=0)
"""Stands for a firmware not yet asked: in all of them the core voltage is at the same place."""


def _unheard(_error: DriverError) -> None:
    """Take word of a loss that nobody waits for."""
