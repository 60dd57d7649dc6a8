"""What `run` and `demo` share: mine in the foreground, show it, sum it up."""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import structlog

from drivers.api import Log
from stratum_client import __version__
from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.daemon import Daemon
from stratum_client.device_finder import find
from stratum_client.live_view import LiveView
from stratum_client.log import configure_logging
from stratum_client.output import BackgroundWriter
from stratum_client.reload import Settings
from stratum_client.service_notify import ServiceReport, service_report
from stratum_client.stats import RigStats
from stratum_client.status_text import status_fields, status_lines

if TYPE_CHECKING:
    from stratum_client.recording.recorder import Recorder

STATUS_EVERY = 30.0
"""Seconds between the status lines of a log that nobody watches live."""

EXIT_INTERRUPTED = 130


async def mine(
    config: Config,
    options: argparse.Namespace,
    state_dir: Path | None = None,
    load: Callable[[], Config] | None = None,
) -> int:
    """Mine with ``config`` until a signal or the end of --for; return the exit code.

    Orders are taken in ``state_dir``, if there is one; it must be locked for us. ``load`` reads the
    configuration again.
    """
    stream = sys.stderr if options.json else sys.stdout
    output = BackgroundWriter(stream)
    view = LiveView(output.write) if _is_watched(options) else None
    write = view.write if view else output.write
    logging = configure_logging(config.log, stream=stream, secrets=config.secrets, write=write)
    service = service_report()
    settings = (
        Settings(
            load=load,
            change_log=lambda log, secrets: logging.change(log, secrets=secrets),
            keep_secret=logging.keep_secret,
            announced=service.reloading if service else nullcontext,
        )
        if load
        else None
    )
    try:
        return await _mine(config, options, view, state_dir, settings, service)
    finally:
        output.close()


async def _mine(
    config: Config,
    options: argparse.Namespace,
    view: LiveView | None,
    state_dir: Path | None,
    settings: Settings | None,
    service: ServiceReport | None,
) -> int:
    found = await asyncio.to_thread(find, config)
    with _recorder(config, options) as recorder:
        daemon = Daemon(
            config,
            found=found,
            state_dir=state_dir,
            clock=SystemClock(),
            random=Random(),
            log_for=recorder.log_for if recorder else component_log,
            rims=recorder,
            settings=settings,
            service=service,
        )
        if recorder:
            recorder.tally = daemon.miner.tally
        return await _run(daemon, config, options, view)


async def _run(
    daemon: Daemon, config: Config, options: argparse.Namespace, view: LiveView | None
) -> int:
    for warning in config.warnings:
        component_log("config").warning("config.warning", text=warning)
    daemon.stop_on_signals()
    if options.duration:
        asyncio.get_running_loop().call_later(options.duration, daemon.stop)
    try:
        async with asyncio.TaskGroup() as group:
            showing = view.run(_status_of(daemon)) if view else _log_status(daemon)
            shown = group.create_task(showing, name="status")
            exit_code = await daemon.run()
            shown.cancel()
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED
    _sum_up(daemon.snapshot(), options, live=view is not None)
    return exit_code


@contextmanager
def _recorder(config: Config, options: argparse.Namespace) -> Iterator["Recorder | None"]:
    """Record, if that is wanted."""
    if not options.record:
        yield None
        return
    from stratum_client.recording.recorder import Recorder  # noqa: PLC0415 - rarely needed

    log = component_log("recording")
    recorder = Recorder(
        options.record,
        config,
        clock=SystemClock(),
        log_for=component_log,
        warn=lambda reason: log.warning("recording.ended", file=str(options.record), reason=reason),
        keep_users=options.keep_user,
        limit=options.record_limit << 20,
    )
    log.info("recording.started", file=str(options.record))
    try:
        yield recorder
    finally:
        recorder.close()


def component_log(component: str) -> Log:
    """Return the logger of one component."""
    log: Log = structlog.get_logger().bind(component=component)
    return log


def _is_watched(options: argparse.Namespace) -> bool:
    """Return whether somebody looks at a terminal."""
    return not options.json and sys.stdout.isatty()


def _status_of(daemon: Daemon) -> Callable[[int], list[str]]:
    title = f"stratum-client {__version__}"
    return lambda width: status_lines(
        daemon.snapshot(), title=title, width=width, height=shutil.get_terminal_size().lines - 1
    )


async def _log_status(daemon: Daemon) -> None:
    log = component_log("status")
    while True:
        await asyncio.sleep(STATUS_EVERY)
        log.info("status", **status_fields(daemon.snapshot()))


def _sum_up(stats: RigStats, options: argparse.Namespace, *, live: bool) -> None:
    if options.json:
        print(json.dumps(stats.summary()), flush=True)  # noqa: T201  # the promised last line
    elif not live:
        component_log("status").info("daemon.stopped", **status_fields(stats))
