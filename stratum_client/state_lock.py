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

DISK_TROUBLE = frozenset(
    {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EUCLEAN, errno.ENODEV}
)
"""What a disk says that has failed or is full, where nobody's settings are wrong."""

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
    """A state directory that is ours until `close`, or until the process ends.

    ``problem`` says why nothing can be kept there, in words; empty if it can. ``descriptor`` is
    None where there was nothing to lock.
    """

    def __init__(self, path: Path, descriptor: int | None, *, problem: str = "") -> None:
        self.path = path
        self.problem = problem
        self._descriptor: int | None = descriptor

    @property
    def warning(self) -> str:
        """Return in plain words what it means to have a ``problem``."""
        return (
            f"NOTHING CAN BE KEPT in {self.path}: {self.problem}. It is mined all the same, but"
            " without share ledger, control socket and remembered orders. Look after the disk, or"
            " set state_dir to another one, then restart"
        )

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

    ``program`` and ``now`` (seconds since 1970) are what others are told of us. On a disk that has
    failed or is full it may have a ``problem``; what can be locked there is locked all the same.
    Raises StateDirInUseError when somebody else has it, ConfigError when it cannot be used at all.
    """
    problem = ""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise ConfigError(path, _unusable(error)) from error
        problem = str(error.strerror)
        found = _opened_to_read(path)
        if found is None:
            return StateDir(path, None, problem=problem)
        descriptor = found
    try:
        _take(descriptor, path)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(path, _unusable(error)) from error
    except StateDirInUseError:
        os.close(descriptor)
        raise
    if not problem:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name, too
            _write(descriptor, Holder(pid=os.getpid(), program=program, since=now))
    return StateDir(path, descriptor, problem=problem)


def _opened_to_read(path: Path) -> int | None:
    """Return a descriptor of the lock file, or of the directory; None if neither can be opened."""
    for name in (path / LOCK_NAME, path):
        with contextlib.suppress(OSError):
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        said = b""
        with contextlib.suppress(OSError):  # a directory, on a disk that takes no lock file
            said = os.pread(descriptor, _LONGEST, 0)
        raise StateDirInUseError(path, _holder_in(said)) from error


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
