"""Pins of the host computer, for boards that hang on them: a PiAxe on a Raspberry Pi.

The interface is `Pins`; the one implementation uses the kernel's GPIO character device through the
optional package gpiod (2.0 or newer). Pin numbers are the chip's line offsets, on a Raspberry Pi
the BCM numbers, not those of the header.

Source: libgpiod 2 Python bindings, `request_lines`, `LineSettings`, `LineRequest`.
"""

import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Protocol

from drivers.errors import BringUpError
from drivers.peripherals.errors import MissingExtraError


class Pins(Protocol):
    """Some pins of one chip; harmless to call from a callback."""

    def drive(self, pin: int, *, high: bool) -> None:
        """Set the level of an output."""

    def level(self, pin: int) -> bool:
        """Return the level of a pin, True for high."""
        ...

    def close(self) -> None:
        """Let go of the pins; harmless when repeated."""


class GpiodPins:
    """`Pins` of a chip such as ``/dev/gpiochip0``."""

    def __init__(
        self, chip: str, *, outputs: Mapping[int, bool] | None = None, inputs: Iterable[int] = ()
    ) -> None:
        """Take the pins; ``outputs`` maps each to the level it gets at once.

        Raises MissingExtraError without gpiod, BringUpError if the pins cannot be had.
        """
        gpiod = _gpiod(chip)
        self._line: Any = gpiod.line
        output = self._line.Direction.OUTPUT
        config = {
            pin: gpiod.LineSettings(direction=output, output_value=self._value(level))
            for pin, level in (outputs or {}).items()
        }
        for pin in inputs:
            config[pin] = gpiod.LineSettings(direction=self._line.Direction.INPUT)
        self._request: Any = None
        try:
            self._request = gpiod.request_lines(chip, consumer="stratum-client", config=config)
        except (OSError, ValueError) as error:
            raise BringUpError(chip, f"cannot take pins {sorted(config)}: {error}") from error

    def drive(self, pin: int, *, high: bool) -> None:
        """Set the level of an output."""
        if self._request:
            self._request.set_value(pin, self._value(high))

    def level(self, pin: int) -> bool:
        """Return the level of a pin, True for high."""
        return bool(self._request) and self._request.get_value(pin) == self._value(True)

    def close(self) -> None:
        """Let go of the pins; harmless when repeated."""
        request, self._request = self._request, None
        if request:
            request.release()

    def _value(self, high: bool) -> object:
        return self._line.Value.ACTIVE if high else self._line.Value.INACTIVE


def _gpiod(chip: str) -> ModuleType:
    try:
        module = importlib.import_module("gpiod")
        importlib.import_module("gpiod.line")
    except ImportError as error:
        raise MissingExtraError(chip, package="gpiod", extra="gpio") from error
    return module
