"""The verb ``stratum-client pool``: the embedded pool run by itself."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import TextIO

import structlog

from stratum_client.emulated_pool import arguments
from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.fault_specs import catalogue
from stratum_client.emulated_pool.reporting import json_of, line_of, summary_of
from stratum_client.emulated_pool.server import EmulatedPool

EXIT_OK, EXIT_FAILED = 0, 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    arguments.add_arguments(parser)


async def serve(args: argparse.Namespace) -> int:
    """Run the pool until SIGINT, SIGTERM or the end of ``--for``; return the exit code.

    Raises ConfigError when the arguments do not fit together, BrokenPipeError when nobody
    reads what is printed.
    """
    if None in args.faults:
        _Printer(sys.stdout).line(catalogue())
        return EXIT_OK
    settings, tls = arguments.settings_of(args), arguments.tls_of(args)
    _keep_the_log_quiet()
    stopped = asyncio.Event()
    printer = _Printer(sys.stderr if args.json else sys.stdout, stopped)
    pool = EmulatedPool(settings, on_event=printer.event, tls=tls)
    with _set_by_signals(stopped):
        try:
            await pool.start()
        except OSError as error:
            _Printer(sys.stderr).line(_why_not(error, *args.listen))
            return EXIT_FAILED
        try:
            printer.line(_greeting(pool, "stratum+ssl" if tls else "stratum+tcp"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(args.duration):
                    await stopped.wait()
        finally:
            await pool.close()
    printer.line(summary_of(pool.tally()))
    if args.json:
        _Printer(sys.stdout).line(json.dumps(json_of(pool.tally())))
    if printer.broken:
        raise BrokenPipeError
    return EXIT_OK


class _Printer:
    """Prints lines at once; when nobody reads them any more, sets ``stopped``."""

    def __init__(self, stream: TextIO, stopped: asyncio.Event | None = None) -> None:
        self._stream = stream
        self._stopped = stopped
        self.broken = False

    def event(self, event: Event) -> None:
        self.line(line_of(event))

    def line(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            self.broken = True
            if self._stopped:
                self._stopped.set()


def _greeting(pool: EmulatedPool, scheme: str) -> str:
    settings = pool.settings
    host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
    faults = "".join(f", fault {fault.name}" for fault in settings.faults)
    profile, difficulty = settings.profile.name, settings.first_difficulty
    return f"{profile} pool at {scheme}://{host}:{pool.port}, difficulty {difficulty:g}{faults}"


def _keep_the_log_quiet() -> None:
    """Unless somebody else has set up logging, show no debug lines among the events."""
    if not structlog.is_configured():
        quiet = structlog.make_filtering_bound_logger(logging.INFO)
        structlog.configure(wrapper_class=quiet)


def _why_not(error: OSError, host: str, port: int) -> str:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    hint = "choose another address with --listen HOST:PORT"
    return f"cannot listen on {host}:{port}: {reason}; {hint}"


@contextlib.contextmanager
def _set_by_signals(stopped: asyncio.Event) -> Iterator[None]:
    """Set ``stopped`` at the first signal; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
