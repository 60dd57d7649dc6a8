"""What can go wrong on the pool side and in the configuration.

A refused share is a value, not an error; see `session.ShareAnswered`.
"""

from pathlib import Path


class StratumError(Exception):
    """A pool connection cannot go on; it is dialled again after a pause."""


class ConnectError(StratumError):
    """The pool could not be reached."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot reach {address}: {reason}")
        self.address = address
        self.reason = reason


class ProxyError(ConnectError):
    """The way through the proxy failed; its user and password are in no text."""

    def __init__(self, address: str, proxy: str, problem: str) -> None:
        super().__init__(address, f"by the proxy {proxy}: {problem}")
        self.proxy = proxy
        self.problem = problem


class TlsError(ConnectError):
    """There was no TLS with whom the settings ask for; nothing was sent that is ours."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, f"TLS: {problem}")
        self.problem = problem


class PinMismatchError(TlsError):
    """The pool showed a certificate that is not pinned; both its SHA-256 digests are in hex."""

    def __init__(self, address: str, *, certificate: str, public_key: str) -> None:
        super().__init__(
            address,
            "no pin in pin_sha256 fits: the pool shows the certificate"
            f" {certificate} with the public key {public_key};"
            " unless its owner has renewed them, somebody is in between",
        )
        self.certificate = certificate
        self.public_key = public_key


class ConnectionLostError(StratumError):
    """The pool closed the connection, or the network did."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"connection to {address} lost: {reason}")
        self.address = address
        self.reason = reason


class HandshakeTimeoutError(StratumError):
    """The pool did not finish the start of a session in time."""

    def __init__(self, waited_for: str, seconds: float) -> None:
        super().__init__(f"no {waited_for} within {seconds:g} s")
        self.waited_for = waited_for
        self.seconds = seconds


class PoolSilentError(StratumError):
    """The connection is open but the pool no longer shows life."""

    def __init__(self, waited_for: str, seconds: float) -> None:
        super().__init__(f"pool is silent: no {waited_for} for {round(seconds, 1):g} s")
        self.waited_for = waited_for
        self.seconds = seconds


class PoolProtocolError(StratumError):
    """The pool broke the rules of Stratum; ``line`` holds the start of what it sent."""

    def __init__(self, problem: str, line: bytes = b"") -> None:
        shown = f": {line[:80]!r}" if line else ""
        super().__init__(problem + shown)
        self.problem = problem
        self.line = line[:80]


class PayoutError(StratumError):
    """The pool wants work on a coinbase that does not pay whom it must; ``problem`` says how."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"payout check: {problem}")
        self.problem = problem


class PoolRefusedError(StratumError):
    """The pool refused a request without which mining is impossible."""

    def __init__(self, request: str, code: int | None, message: str) -> None:
        number = "" if code is None else f" ({code})"
        super().__init__(f"pool refused {request}{number}: {message}")
        self.request = request
        self.code = code
        self.message = message


class AuthorizationError(PoolRefusedError):
    """The pool does not know this user or password."""

    def __init__(self, user: str, code: int | None, message: str) -> None:
        super().__init__(f"user {user!r}", code, message)
        self.user = user


class PoolOrderError(Exception):
    """An order about pools makes no sense, such as one about a pool that there is not."""


class ConfigError(Exception):
    """A setting is wrong: ``path`` says where, ``problem`` what and what to do about it.

    ``keys`` lead to it from the root of the configuration, where it stands in one.
    """

    def __init__(self, path: str | Path, problem: str, keys: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = str(path)
        self.problem = problem
        self.keys = keys
