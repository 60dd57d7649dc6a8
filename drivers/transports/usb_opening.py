"""Opening in a thread what must be given back in any case: also when nobody waits for it any more.

A daemon that ends while a device is being opened shall leave the kernel's driver in place.
"""

import asyncio
from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


async def open_in_thread(open_it: Callable[[], T], close_it: Callable[[T], None]) -> T:
    """Return what ``open_it`` returns; ``close_it`` gets it, in a thread, when cancelled."""
    opening = _Opening(open_it, close_it)
    future = asyncio.get_running_loop().run_in_executor(None, opening.work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        opening.abandon()
        future.add_done_callback(_look_at)
        raise


class _Opening(Generic[T]):
    """Hands over what was opened exactly once: to who waits, or to be closed."""

    def __init__(self, open_it: Callable[[], T], close_it: Callable[[T], None]) -> None:
        self._open_it = open_it
        self._close_it = close_it
        self._lock = Lock()
        self._opened: list[T] = []
        self._is_abandoned = False

    def work(self) -> T:
        opened = self._open_it()
        with self._lock:
            self._opened.append(opened)
            is_abandoned = self._is_abandoned
        if is_abandoned:
            self._close_it(opened)
        return opened

    def abandon(self) -> None:
        with self._lock:
            self._is_abandoned = True
            opened = tuple(self._opened)
        for one in opened:
            Thread(target=self._close_it, args=(one,), name="usb close").start()


def _look_at(future: asyncio.Future[T]) -> None:
    """Keep asyncio from complaining of an error that nobody waits for."""
    if not future.cancelled():
        future.exception()
