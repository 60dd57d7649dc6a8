"""Where emulated devices hash: beside the event loop, on one thread or in one process."""

import multiprocessing
import signal
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from drivers.hashing import kernels


def search_pool() -> Executor:
    """Return what hashes beside the loop; tests the kernels if nobody has, which takes its time."""
    return search_thread() if len(kernels.available()) > 1 else search_process()


def search_thread() -> Executor:
    """Return one thread, for kernels that let go of the GIL."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulated-search")


def search_process() -> Executor:
    """Return one process, for hashlib, which would keep the event loop waiting."""
    spawned = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max_workers=1, mp_context=spawned, initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to every process of a group, to the first of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
