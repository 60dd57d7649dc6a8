"""One request to a running daemon over its control socket, for the command line."""

import grp
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from stratum_client.api.control_lines import OrderError
from stratum_client.api.control_socket import SOCKET_NAME, address_of

ANSWER_WAIT = 10.0
MAX_REPLY = 1 << 24


class NoDaemonError(Exception):
    """There is no daemon to talk to, or none that talks to us; the text names the socket."""


def ask(directory: Path, what: str, **fields: object) -> Mapping[str, object]:
    """Return the result of a request to the daemon whose state directory is ``directory``.

    Raises NoDaemonError when there is none, OrderError when it refuses.
    """
    path = directory / SOCKET_NAME
    request = json.dumps({"do": what, **fields}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WAIT)
            with address_of(path) as address:
                connection.connect(address)
            connection.sendall(request)
            line = _line_from(connection)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise NoDaemonError(
            f"no daemon is running: nobody listens at {path}; start one with stratum-client run"
        ) from error
    except PermissionError as error:
        raise NoDaemonError(f"{path}: permission denied; {_permission_advice(path)}") from error
    except OSError as error:
        raise NoDaemonError(f"the daemon at {path} does not answer: {error}") from error
    match _parsed(line):
        case {"ok": True, "result": dict(result)}:
            return result
        case {"ok": False, "error": str(problem)}:
            raise OrderError(problem)
    raise NoDaemonError(f"what listens at {path} does not talk like a daemon of ours")


def devices_at(directory: Path) -> list[Mapping[str, object]]:
    """Return what the daemon says of its devices; raises as `ask`."""
    devices = ask(directory, "devices").get("devices")
    return devices if isinstance(devices, list) else []


def has_socket(directory: Path) -> bool:
    """Return whether a daemon has, or had, its socket in ``directory``; False if nobody may say."""
    try:
        return (directory / SOCKET_NAME).is_socket()
    except OSError:
        return False


def _line_from(connection: socket.socket) -> bytes:
    """Return the first line; what came of it, when the other side ends early."""
    deadline = time.monotonic() + ANSWER_WAIT
    data = b""
    while b"\n" not in data and len(data) < MAX_REPLY:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no reply within {ANSWER_WAIT:g} s")
        connection.settimeout(left)
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data.partition(b"\n")[0]


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _permission_advice(path: Path) -> str:
    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "run it as the daemon's user"
    if group == "root" or os.geteuid() == 0:
        return "run it as the daemon's user"
    return f"run: sudo usermod -aG {group} $USER, then log out and in again"
