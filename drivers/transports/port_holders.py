"""Who has a device node open, found through /proc; for the words of an error message.

/proc/locks names the holder of an exclusive lock whoever we are; descriptors of other users'
programs are visible to root only.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def holders_of(path: str, proc: Path = _PROC) -> tuple[str, ...]:
    """Return "PID (PROGRAM)" of each holder of ``path``: the lock's owner, else all openers.

    Reads all of /proc, some milliseconds: not for the event loop.
    """
    found: set[int] = set()
    with suppress(OSError):  # the node or /proc may be gone: then nobody is named
        found = set(_lock_owners(path, proc)) or set(_openers(path, proc))
    return tuple(f"{pid} ({_program(pid, proc)})" for pid in sorted(found))


def _lock_owners(path: str, proc: Path) -> Iterator[int]:
    node = Path(path).stat()
    wanted = f"{os.major(node.st_dev):02x}:{os.minor(node.st_dev):02x}:{node.st_ino}"
    for line in (proc / "locks").read_text().splitlines():
        fields = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 00:18:6 0 EOF
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == wanted:
            pid = fields[4]
            if pid.isdecimal() and int(pid):  # 0 or -1: owner in another pid namespace
                yield int(pid)


def _openers(path: str, proc: Path) -> Iterator[int]:
    node = os.path.realpath(path)
    for process in proc.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # not ours to see, or just ended
                if any(str(link.readlink()) == node for link in (process / "fd").iterdir()):
                    yield int(process.name)


def _program(pid: int, proc: Path) -> str:
    """Return a program's name and, of an interpreter, its script; no other argument."""
    if pid == os.getpid():
        return "this very program"
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown program"
    name = Path(words[0]).name or "unknown program"
    script = words[1] if len(words) > 1 else ""
    if name.startswith("python") and script and not script.startswith("-"):
        return f"{name} {Path(script).name}"
    return name
