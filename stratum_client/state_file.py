"""A small file that is replaced as a whole and outlives a kill -9, a power cut and a full disk.

The new content is written beside the old one, forced to the disk, and takes its name; so at any
moment the file holds the one or the other. A disk may take long, or for ever: a daemon thread
writes, and nobody waits for it longer than WRITE_WAIT.
"""

import asyncio
import contextlib
import errno
import os
import threading
from functools import partial
from pathlib import Path

WRITE_WAIT = 5.0

_LARGEST = 1 << 20
_MODE = 0o600


class StateFile:
    """One file of the state directory, written by this process alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()

    def read(self) -> bytes | None:
        """Return the content, None if there is no such file; raise OSError."""
        try:
            with self.path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        if len(data) > _LARGEST:
            raise OSError(errno.EFBIG, "it is too large to be ours")
        return data

    def copy_aside(self, data: bytes) -> Path:
        """Keep ``data``, which is damaged, under another name; the file is as it was until `write`.

        For a file without which the next start would not know that something was lost. May block.
        """
        aside = self.path.with_suffix(".damaged")
        with contextlib.suppress(OSError):
            write_whole(aside, data)
        return aside

    def put_aside(self) -> Path:
        """Give the file another name, for it is damaged and somebody may want to see it."""
        aside = self.path.with_suffix(".damaged")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
        return aside

    async def write(self, data: bytes) -> None:
        """Return when ``data`` is on the disk; raise OSError if it is not, or not in time."""
        await self._done(partial(write_whole, self.path, data))

    async def remove(self) -> None:
        """Return when the file is gone from the disk, if there was one; raise as `write`."""
        await self._done(partial(_remove, self.path))

    async def _done(self, change: partial[None]) -> None:
        try:
            async with asyncio.timeout(WRITE_WAIT), self._turn:
                if self._writing:
                    await asyncio.wait([self._writing])  # one after the other, or old beats new
                self._writing = _in_thread(change)
                await asyncio.shield(self._writing)
        except TimeoutError as error:
            raise _too_slow() from error


async def append(path: Path, data: bytes) -> None:
    """Return when ``data``, a line, is on the disk behind others; raise OSError as `write`."""
    try:
        async with asyncio.timeout(WRITE_WAIT):
            await asyncio.shield(_in_thread(partial(_append, path, data)))
    except TimeoutError as error:
        raise _too_slow() from error


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a file, or leave it as it is; raise OSError. May block.

    Without ``sync`` a kill finds the one or the other content too, but a power cut may find none.
    """
    temporary = path.with_suffix(".new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor has no path
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        _sync_folder(path.parent)


def _append(path: Path, data: bytes) -> None:
    """Add a line; what a kill or a full disk left of another one is not made longer by it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
    try:
        size = os.fstat(descriptor).st_size
        is_torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        whole = (b"\n" if is_torn else b"") + data
        if os.write(descriptor, whole) < len(whole):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_slow() -> OSError:
    return OSError(errno.ETIMEDOUT, f"the disk did not answer within {WRITE_WAIT:g} s")


def _in_thread(write: partial[None]) -> asyncio.Future[None]:
    """Run ``write`` in a thread whose end nobody has to wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    done.add_done_callback(lambda future: future.cancelled() or future.exception())

    def deliver(error: OSError | None) -> None:
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def work() -> None:
        outcome = None
        try:
            write()
        except OSError as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, outcome)

    threading.Thread(target=work, name="state file", daemon=True).start()
    return done
