"""TPS546D24A/S: the core regulator, over PMBus; what is written into it is in `tps546_settings`.

Source: bitaxeorg/ESP-Miner main/power/TPS546.c, TPS546.h and vcore.c; 256foundation/mujina
peripheral/tps546.rs; TI TPS546D24A data sheet for the status bits.
"""

import asyncio

from drivers.peripherals.errors import PeripheralError
from drivers.peripherals.i2c import I2cBus, read_byte, write_byte
from drivers.peripherals.plausible import within
from drivers.peripherals.pmbus import linear11_value, linear16_of, linear16_value, vout_exponent
from drivers.peripherals.tps546_settings import FIVE_VOLTS, Tps546Settings, configuration

ADDRESS = 0x24

DEVICE_IDS = {
    bytes.fromhex("544954 6b2441"): "TPS546B24A",
    bytes.fromhex("544954 6d2441"): "TPS546D24A",
    bytes.fromhex("544954 6d2462"): "TPS546D24S",
}

_OPERATION, _CLEAR_FAULTS, _PHASE = 0x01, 0x03, 0x04
_VOUT_MODE, _VOUT_COMMAND, _STATUS_WORD, _DEVICE_ID = 0x20, 0x21, 0x79, 0xAD
_READ_VIN, _READ_VOUT, _READ_IOUT, _READ_TEMPERATURE = 0x88, 0x8B, 0x8C, 0x8D

_OFF, _ON = 0x00, 0x80
_ALL_PHASES = 0xFF
_LIMITS_ARE_RELATIVE = 0x80  # of VOUT_MODE

SETTLE_BEFORE_VOLTAGE = 0.1
SETTLE_AFTER_ON = 0.5
"""Pauses that mujina keeps between configuration, voltage and use."""

TOLERANCE = 0.05
"""How far READ_VOUT may be off the command before the rail counts as broken."""

OFF_BELOW = 0.3
"""Volts at which the rail counts as off."""

STATUS_OFF = 0x0040

# What the part can measure at all: 18 V and 4 stacked phases of 40 A at most.
_INPUT_RANGE = (0.0, 20.0)
_OUTPUT_RANGE = (0.0, 6.5)
_CURRENT_RANGE = (-10.0, 160.0)
_TEMPERATURE_RANGE = (-50.0, 175.0)

_WORD_FAULTS = (
    (0x0020, "output overvoltage"),
    (0x0010, "output overcurrent"),
    (0x0008, "input undervoltage"),
)
_DETAILS = (  # bit of STATUS_WORD, register, (bit, meaning)
    (0x8000, 0x7A, ((0x80, "output overvoltage"), (0x10, "output undervoltage"))),
    (0x4000, 0x7B, ((0x80, "output overcurrent"),)),
    (
        0x2000,
        0x7C,
        ((0x80, "input overvoltage"), (0x10, "input undervoltage"), (0x08, "input low")),
    ),
    (0x0004, 0x7D, ((0x80, "regulator too hot"),)),
)


class Tps546:
    """The TPS546 on a bus."""

    def __init__(
        self, bus: I2cBus, settings: Tps546Settings = FIVE_VOLTS, address: int = ADDRESS
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._address = address
        self._part = f"TPS546 at I2C {address:02x}"
        self._exponent: int | None = None

    async def identify(self) -> str:
        """Return the model; raise PeripheralError if the part is none of them."""
        block = await self._bus.write_read(self._address, bytes([_DEVICE_ID]), 7)
        if block[0] != 6 or block[1:] not in DEVICE_IDS:
            raise PeripheralError(self._part, f"not a TPS546: device id {block.hex(' ')}")
        return DEVICE_IDS[block[1:]]

    async def configure(self) -> None:
        """Switch the output off and write all settings."""
        await self.turn_off()
        for write in configuration(self._settings, await self._vout_exponent()):
            await self._bus.write(self._address, write)

    async def set_voltage(self, volts: float) -> None:
        """Change the output voltage; ValueError outside the settings' vout_min to vout_max."""
        low, high = self._settings.vout_min, self._settings.vout_max
        if not low <= volts <= high:
            raise ValueError(f"{volts} V is outside {low} to {high} V")
        word = linear16_of(volts, await self._vout_exponent())
        await self._bus.write(self._address, bytes([_VOUT_COMMAND]) + word.to_bytes(2, "little"))

    async def turn_on(self, volts: float) -> None:
        """Switch the output on at ``volts`` and make sure of it.

        When it does not come up it is switched off again; PeripheralError says why.
        """
        await asyncio.sleep(SETTLE_BEFORE_VOLTAGE)
        await self.set_voltage(volts)
        await self._bus.write(self._address, bytes([_CLEAR_FAULTS]))
        is_proven = False
        try:
            await write_byte(self._bus, self._address, _OPERATION, _ON)
            await asyncio.sleep(SETTLE_AFTER_ON)
            await self._prove_on(volts)
            is_proven = True
        finally:
            if not is_proven:
                await self.turn_off()

    async def turn_off(self) -> None:
        """Switch the output off at once."""
        await write_byte(self._bus, self._address, _OPERATION, _OFF)

    async def is_off(self) -> bool:
        """Tell whether the output is off: by its status, or because no voltage is left."""
        if await self._word(_STATUS_WORD) & STATUS_OFF:
            return True
        volts = await self.output_voltage()
        return volts is not None and volts < OFF_BELOW

    async def faults(self) -> tuple[str, ...]:
        """Return what is wrong while the output should be on, in words; each is reason to stop.

        Warnings and communication errors are not faults.
        """
        word = await self._word(_STATUS_WORD)
        found = [meaning for bit, meaning in _WORD_FAULTS if word & bit]
        for summary, register, bits in _DETAILS:
            if word & summary:
                status = await read_byte(self._bus, self._address, register)
                found += [meaning for bit, meaning in bits if status & bit]
        if word & STATUS_OFF:
            found.append("output off")
        return tuple(dict.fromkeys(found))

    async def output_voltage(self) -> float | None:
        """Return the measured output in volts, None if absurd."""
        word = await self._word(_READ_VOUT)
        return within(linear16_value(word, await self._vout_exponent()), *_OUTPUT_RANGE)

    async def output_current(self) -> float | None:
        """Return the measured output in amperes, of all phases together, None if absurd."""
        await write_byte(self._bus, self._address, _PHASE, _ALL_PHASES)
        return within(linear11_value(await self._word(_READ_IOUT)), *_CURRENT_RANGE)

    async def output_power(self) -> float | None:
        """Return what the output delivers in watts, None if absurd; the board takes more."""
        volts, amperes = await self.output_voltage(), await self.output_current()
        return None if volts is None or amperes is None else volts * amperes

    async def input_voltage(self) -> float | None:
        """Return the measured input in volts, None if absurd."""
        return within(linear11_value(await self._word(_READ_VIN)), *_INPUT_RANGE)

    async def temperature(self) -> float | None:
        """Return the regulator's degrees Celsius, None if absurd."""
        return within(linear11_value(await self._word(_READ_TEMPERATURE)), *_TEMPERATURE_RANGE)

    async def _prove_on(self, volts: float) -> None:
        operation = await read_byte(self._bus, self._address, _OPERATION)
        if operation != _ON:
            raise PeripheralError(self._part, f"OPERATION reads {operation:02x} when switched on")
        if faults := await self.faults():
            raise PeripheralError(self._part, ", ".join(faults))
        measured = await self.output_voltage()
        if measured is None or abs(measured - volts) > TOLERANCE * volts:
            shown = "an absurd voltage" if measured is None else f"{measured:.3f} V"
            raise PeripheralError(self._part, f"output at {shown}, asked for {volts:.3f} V")

    async def _vout_exponent(self) -> int:
        if self._exponent is None:
            mode = await read_byte(self._bus, self._address, _VOUT_MODE)
            exponent = vout_exponent(mode)
            if exponent is None or not mode & _LIMITS_ARE_RELATIVE:
                problem = f"VOUT_MODE {mode:02x}: voltages not linear or limits not relative"
                raise PeripheralError(self._part, problem)
            self._exponent = exponent
        return self._exponent

    async def _word(self, command: int) -> int:
        data = await self._bus.write_read(self._address, bytes([command]), 2)
        return int.from_bytes(data, "little")
