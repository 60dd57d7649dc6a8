"""What can go wrong between a device and the parts on its board."""

from drivers.errors import DriverError


class ControlRefusedError(DriverError):
    """The board answered a control request with an error; an I2C part that is missing does too."""

    def __init__(self, port: str, request: str, *, code: int, text: str) -> None:
        super().__init__(f"{port}: {request} refused: {text or f'error {code:02x}'}")
        self.port = port
        self.request = request
        self.code = code
        self.text = text


class ControlOutOfStepError(DriverError):
    """The replies on a control port do not fit the requests, also after a retry."""

    def __init__(self, port: str, request: str, data: bytes) -> None:
        super().__init__(f"{port}: reply to {request} makes no sense: {data[:16].hex(' ')}")
        self.port = port
        self.request = request
        self.data = data


class RequestAbandonedError(DriverError):
    """A request was given up because the device is being switched off."""

    def __init__(self, port: str, request: str) -> None:
        super().__init__(f"{port}: {request} abandoned")
        self.port = port
        self.request = request


class PeripheralError(DriverError):
    """A part on the board is not the one expected, or does not do as it was told."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part
        self.problem = problem


class MissingExtraError(DriverError):
    """A device needs an optional package; the message holds the command that installs it."""

    def __init__(self, needed_for: str, *, package: str, extra: str) -> None:
        command = f"pip install 'stratum-client[{extra}]'"
        super().__init__(f"{needed_for} needs the package {package}; install it with: {command}")
        self.package = package
        self.extra = extra
        self.command = command
