"""Pins and I2C of the host itself, against stand-ins of the two kernel interfaces."""

import ctypes
import errno
import struct
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from drivers.errors import BringUpError, TransportLostError
from drivers.peripherals.errors import ControlRefusedError, MissingExtraError
from drivers.peripherals.gpio import GpiodPins
from drivers.peripherals.linux_i2c import LinuxI2cBus
from drivers.peripherals.tmp1075 import Tmp1075


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1


class Direction(Enum):
    INPUT = 2
    OUTPUT = 3


class FakeGpiod(ModuleType):
    """What gpiod 2 offers, as far as it is used: names and signatures of its documentation."""

    def __init__(self) -> None:
        super().__init__("gpiod")
        self.line = ModuleType("gpiod.line")
        self.line.__dict__.update(Value=Value, Direction=Direction)
        self.levels: dict[int, Value] = {}
        self.requested: tuple[str, str] | None = None
        self.released = 0

    def LineSettings(  # noqa: N802  # the package's own name
        self, direction: Direction, output_value: Value = Value.INACTIVE
    ) -> SimpleNamespace:
        return SimpleNamespace(direction=direction, output_value=output_value)

    def request_lines(
        self, path: str, *, consumer: str, config: dict[int, SimpleNamespace]
    ) -> "FakeGpiod":
        if path == "/dev/gpiochip9":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.requested = path, consumer
        self.levels = {pin: settings.output_value for pin, settings in config.items()}
        return self

    def set_value(self, line: int, value: Value) -> None:
        self.levels[line] = value

    def get_value(self, line: int) -> Value:
        return self.levels[line]

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def gpiod(monkeypatch: pytest.MonkeyPatch) -> FakeGpiod:
    module = FakeGpiod()
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setitem(sys.modules, "gpiod.line", module.line)
    return module


def test_pins_take_their_first_level_at_once(gpiod: FakeGpiod) -> None:
    pins = GpiodPins("/dev/gpiochip0", outputs={17: False, 22: True}, inputs=[27])

    assert gpiod.requested == ("/dev/gpiochip0", "stratum-client")
    assert gpiod.levels == {17: Value.INACTIVE, 22: Value.ACTIVE, 27: Value.INACTIVE}
    assert pins.level(22)
    assert not pins.level(27)


def test_pins_are_driven_until_they_are_closed(gpiod: FakeGpiod) -> None:
    pins = GpiodPins("/dev/gpiochip0", outputs={17: False})

    pins.drive(17, high=True)
    assert pins.level(17)
    pins.close()
    pins.close()
    pins.drive(17, high=False)

    assert gpiod.levels == {17: Value.ACTIVE}
    assert gpiod.released == 1


def test_pins_that_cannot_be_had_say_why(gpiod: FakeGpiod) -> None:
    with pytest.raises(BringUpError, match=r"/dev/gpiochip9: cannot take pins \[17\].*No such"):
        GpiodPins("/dev/gpiochip9", outputs={17: False})


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)

    with pytest.raises(MissingExtraError) as caught:
        GpiodPins("/dev/gpiochip0", outputs={17: False})

    assert caught.value.command == "pip install 'stratum-client[gpio]'"
    assert caught.value.command in str(caught.value)


class FakeI2cDriver:
    """Reads the messages of an ioctl out of memory, as the kernel does, and answers the reads."""

    def __init__(self, answer: bytes = b"", failure: int = 0) -> None:
        self.messages: list[tuple[int, int, bytes]] = []
        self._answer = answer
        self._failure = failure

    def ioctl(self, descriptor: int, request: int, transfer: bytes) -> None:
        assert descriptor >= 0
        assert request == 0x0707
        if self._failure:
            raise OSError(self._failure, "no luck")
        address, count = struct.unpack("QI4x", transfer)
        for start in range(address, address + 16 * count, 16):
            part, flags, length, buffer = struct.unpack("HHH2xQ", ctypes.string_at(start, 16))
            if flags & 1:
                ctypes.memmove(buffer, self._answer, length)
            self.messages.append((part, flags, ctypes.string_at(buffer, length)))


def bus_of(driver: FakeI2cDriver, path: Path) -> LinuxI2cBus:
    path.touch()
    return LinuxI2cBus(str(path), driver.ioctl)


async def test_a_host_bus_hands_the_kernel_one_transfer(tmp_path: Path) -> None:
    driver = FakeI2cDriver(b"\x1a\x80")
    bus = bus_of(driver, tmp_path / "i2c-1")

    assert await Tmp1075(bus, 0x48).temperature() == 26.5
    await bus.write(0x48, b"\x01\x60")
    assert await bus.read(0x48, 2) == b"\x1a\x80"
    bus.close()
    bus.close()

    assert driver.messages == [
        (0x48, 0, b"\x00"),
        (0x48, 1, b"\x1a\x80"),
        (0x48, 0, b"\x01\x60"),
        (0x48, 1, b"\x1a\x80"),
    ]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EREMOTEIO, ControlRefusedError),
        (errno.ENXIO, ControlRefusedError),
        (errno.ENODEV, TransportLostError),
    ],
)
async def test_a_host_bus_tells_a_missing_part_from_a_missing_bus(
    tmp_path: Path, number: int, error: type[Exception]
) -> None:
    bus = bus_of(FakeI2cDriver(failure=number), tmp_path / "i2c-1")

    with pytest.raises(error, match="no luck"):
        await bus.read(0x48, 2)
    bus.close()


def test_a_host_bus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BringUpError, match="i2c-7: cannot open the I2C bus"):
        LinuxI2cBus(str(tmp_path / "i2c-7"))
