"""What can go wrong between the daemon and a device.

Each class carries fields, not only text. Noise on a serial line is counted, never raised.
"""


class DriverError(Exception):
    """A device cannot go on; it is restarted after a pause, the others keep mining."""


class SettingError(DriverError):
    """A setting given to a driver is unknown, or has a value it cannot take."""

    def __init__(self, driver: str, setting: str, problem: str) -> None:
        super().__init__(f"{driver}: setting {setting!r}: {problem}")
        self.driver = driver
        self.setting = setting
        self.problem = problem


class UnknownDriverError(DriverError):
    """No driver has the name that was asked for."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no driver is called {name!r}; known: {', '.join(known)}")
        self.name = name
        self.known = known


class TransportLostError(DriverError):
    """The port or the process behind a device went away."""

    def __init__(self, port: str, reason: str) -> None:
        super().__init__(f"{port}: lost: {reason}")
        self.port = port
        self.reason = reason


class TransportTimeoutError(DriverError):
    """A device did not answer in time."""

    def __init__(self, port: str, *, waited_for: str, seconds: float) -> None:
        super().__init__(f"{port}: no {waited_for} within {seconds:g} s")
        self.port = port
        self.waited_for = waited_for
        self.seconds = seconds


class BringUpError(DriverError):
    """A device could not be started."""

    def __init__(self, port: str, problem: str) -> None:
        super().__init__(f"{port}: {problem}")
        self.port = port
        self.problem = problem


class ChipCountError(DriverError):
    """The chain answered enumeration with an unexpected number of chips."""

    def __init__(self, port: str, *, expected: int, found: int) -> None:
        answer = f"only {found} chips answer" if found else "no chip answers"
        super().__init__(f"{port}: {answer} where {expected} should; is the board powered?")
        self.port = port
        self.expected = expected
        self.found = found


class OverheatError(DriverError):
    """A board got too hot, or its temperature can no longer be known."""

    def __init__(self, port: str, *, temperature: float | None, limit: float) -> None:
        seen = "temperature unknown" if temperature is None else f"{temperature:.1f} degrees"
        super().__init__(f"{port}: {seen}, limit {limit:.1f} degrees Celsius")
        self.port = port
        self.temperature = temperature
        self.limit = limit
