"""Commands of Icarus-class devices: frequency and voltage of Antminers, orders to a Cairnsmore.

None of them is answered. Sans-IO.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-antminer.c and README.ASIC.
"""

from drivers.icarus.frames import WORK_SIZE

SET_FREQUENCY, READ_REGISTER = 0x82, 0x84
_SET_VOLTAGE = 0xAA
_COMMAND_BITS = 27

_CAIRNSMORE = 0xB7
_CAIRNSMORE_CHECK = 0x6D
_SPEED, _FLASH = 0, 1
_CAIRNSMORE_STEP = 2.5


def crc5(data: bytes, bits: int) -> int:
    """Return the CRC-5 of the first ``bits`` bits: x^5 + x^2 + 1, from 1f, high bits first."""
    crc = 0x1F
    for bit in range(bits):
        data_bit = data[bit >> 3] >> 7 - (bit & 7) & 1
        crc = crc << 1 & 0x1F ^ (5 if crc >> 4 ^ data_bit else 0)
    return crc


def set_frequency(register: int) -> bytes:
    """Return the 4 bytes that set the PLL register, 16 bits, of every chip of an Antminer."""
    return _with_crc(bytes((SET_FREQUENCY,)) + register.to_bytes(2, "big"))


def read_register(register: int) -> bytes:
    """Return the 4 bytes that ask an Antminer for a register; each chip answers with 5 bytes."""
    return _with_crc(bytes((READ_REGISTER, 0, register)))


def set_voltage(volts: float) -> bytes:
    """Return the 4 bytes that set the core voltage of an Antminer U3, to the millivolt.

    The millivolts are decimal digits. Raises ValueError beyond 999 mV.
    """
    millivolts = round(volts * 1000)
    if not 0 <= millivolts <= 999:
        raise ValueError(f"{volts} V cannot be written in three digits of millivolts")
    hundreds, rest = divmod(millivolts, 100)
    tens, ones = divmod(rest, 10)
    command = _with_crc(bytes((_SET_VOLTAGE, 0xB0 | hundreds, tens << 4 | ones)))
    return command[:3] + bytes((command[3] | 0xC0,))


def cairnsmore_speed(mhz: float) -> bytes:
    """Return the 64 bytes that set the clock of a Cairnsmore whose bitstream allows it."""
    return _cairnsmore(_SPEED, int(mhz / _CAIRNSMORE_STEP))


def cairnsmore_flash(*, on: bool) -> bytes:
    """Return the 64 bytes that switch the light of a Cairnsmore, if its bitstream allows it."""
    return _cairnsmore(_FLASH, int(on))


def _cairnsmore(command: int, value: int) -> bytes:
    check = value ^ command ^ _CAIRNSMORE ^ _CAIRNSMORE_CHECK
    packet = bytes(32) + bytes((check, value, command, _CAIRNSMORE))
    return packet + bytes(WORK_SIZE - len(packet))


def _with_crc(first: bytes) -> bytes:
    return first + bytes((crc5(first + b"\0", _COMMAND_BITS),))
