"""What can go wrong with a serial port, apart from losing it (TransportLostError)."""

from drivers.errors import BringUpError, DriverError


class PortOpenError(BringUpError):
    """A port could not be opened; ``problem`` says why and what to do about it."""


class PortDeniedError(PortOpenError):
    """A port may not be opened by this user; right after a plug, udev may not have been there."""


class PortBusyError(PortOpenError):
    """Another program uses the port; ``holders`` names it as far as we may see."""

    def __init__(self, port: str, holders: tuple[str, ...]) -> None:
        who = " and ".join(holders) or "a program this user may not see"
        super().__init__(port, f"already in use by {who}")
        self.holders = holders


class BaudRateError(DriverError):
    """A port did not take the baud rate it was told."""

    def __init__(self, port: str, *, asked: int, got: int) -> None:
        super().__init__(f"{port}: asked for {asked} baud, the port runs at {got}")
        self.port = port
        self.asked = asked
        self.got = got


class LineControlError(DriverError):
    """A port has no such modem line, or refuses to set it."""

    def __init__(self, port: str, line: str, problem: str) -> None:
        super().__init__(f"{port}: cannot set {line}: {problem}")
        self.port = port
        self.line = line
        self.problem = problem
