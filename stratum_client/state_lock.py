"""The state directory, and the lock that lets one daemon only have it.

The lock is the kernel's (flock): it ends with the process that holds it, however that ends, so a
file that was left behind blocks nobody. What stands in the file only names the holder. Child
processes must not inherit the descriptor, which is so for all that are started by exec.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from stratum_client.errors import ConfigError

LOCK_NAME = "lock"

_LONGEST = 4096
_YEAR_3000 = 32_503_680_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that has a state directory; ``since`` in seconds since 1970, UTC."""

    pid: int
    program: str
    since: float

    def __str__(self) -> str:
        """Return the holder in words."""
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"{self.program}, process {self.pid}, since {since}"


class StateDirInUseError(ConfigError):
    """Another process has the state directory; ``holder`` is None if it has not said who it is."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        who = str(holder) if holder else "another process"
        stop = f"kill {holder.pid}, or " if holder else ""
        super().__init__(
            path,
            f"this state directory is used by {who}. Two daemons would fight over the devices:"
            f" stop the other one ({stop}systemctl stop stratum-client),"
            " or give this one a state_dir of its own",
        )
        self.holder = holder


def default_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where state is kept if no setting says so; raise ConfigError if nobody can know.

    It is what systemd says in STATE_DIRECTORY (the first of several), else
    $XDG_STATE_HOME/stratum-client, else ~/.local/state/stratum-client.
    """
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if (xdg := environ.get("XDG_STATE_HOME", "")).startswith("/"):  # others do not count, says XDG
        return Path(xdg) / "stratum-client"
    if home := environ.get("HOME"):
        return Path(home) / ".local/state/stratum-client"
    raise ConfigError("state_dir", "there is no home directory: set state_dir, or SC_STATE_DIR")


class StateDir:
    """A state directory that is ours until `close`, or until the process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Let others have it; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "StateDir":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def lock_state_dir(path: Path, *, program: str = "stratum-client", now: float) -> StateDir:
    """Return the state directory ``path``, locked, made with mode 0700 if it is not there.

    ``program`` and ``now`` (seconds since 1970) are what others are told of us. Raises
    StateDirInUseError when somebody else has it, ConfigError when it cannot be used at all.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(path, _unusable(error)) from error
    try:
        _take(descriptor, path)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(path, _unusable(error)) from error
    except StateDirInUseError:
        os.close(descriptor)
        raise
    with contextlib.suppress(OSError):  # a full disk: the lock holds without a name, too
        _write(descriptor, Holder(pid=os.getpid(), program=program, since=now))
    return StateDir(path, descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateDirInUseError(path, _holder_in(os.pread(descriptor, _LONGEST, 0))) from error


def _write(descriptor: int, holder: Holder) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode() + b"\n", 0)


def _holder_in(data: bytes) -> Holder | None:
    """Return who wrote the lock file; None if it is empty, or damaged."""
    try:
        match json.loads(data):
            case {"pid": int(pid), "program": str(program), "since": int(since) | float(since)}:
                believable = 0 <= since < _YEAR_3000 and program.isprintable()
                return Holder(pid=pid, program=program[:60], since=since) if believable else None
    except (ValueError, RecursionError):
        pass
    return None


def _unusable(error: OSError) -> str:
    advice = {
        errno.EACCES: "give this user the right to write there",
        errno.EROFS: "the file system is read-only",
        errno.ENOSPC: "the disk is full",
        errno.ENOTDIR: "a part of the path is a file",
        errno.EEXIST: "there is a file of that name",
    }.get(error.errno or 0, "choose another")
    return f"cannot be used as state directory: {error.strerror}; {advice}, or set state_dir"
