"""Set up structlog: levels per component, one line per event, to a stream or wherever it is told.

A logger is had by ``structlog.get_logger().bind(component="pool")``; levels and secrets may change
while it lives. What the standard library's loggers say comes out the same way, their first name as
the component. A log that cannot be written is lost, and mining goes on.
"""

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from stratum_client.config import DEFAULT_PASSWORD, LogConfig
from stratum_client.log_fields import Scrubber
from stratum_client.log_lines import LogEvent, console_line, journal_line, json_line

if TYPE_CHECKING:
    from structlog.typing import BindableLogger

_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LONGEST_TRACEBACK = 20_000


class Logging:
    """How everything is logged by now; `change` reaches loggers that are long since bound."""

    def __init__(
        self,
        config: LogConfig,
        *,
        stream: TextIO | None = None,
        secrets: Iterable[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._stream = stream or sys.stderr
        self._environ = environ
        self._secrets: set[str] = set()
        self.change(config, secrets=secrets)

    def change(self, config: LogConfig, *, secrets: Iterable[str]) -> None:
        """Log as ``config`` says from now on; what was a secret stays one."""
        self._secrets |= set(secrets)
        self.scrubber = Scrubber(self._secrets)
        self.form = _form_for(config, self._stream, self._environ)
        self._level = _NUMBERS[config.level]
        self._levels = {component: _NUMBERS[level] for component, level in config.levels.items()}
        _forward_standard_logging(config)

    def keep_secret(self, secret: str) -> None:
        """Let ``secret`` appear in no line from now on, unless it is what everybody sends."""
        if secret not in {"", DEFAULT_PASSWORD}:
            self._secrets.add(secret)
            self.scrubber = Scrubber(self._secrets)

    def shows(self, component: str, number: int) -> bool:
        """Return whether an event of this level is logged."""
        return number >= self._levels.get(component, self._level)


def configure_logging(
    config: LogConfig,
    *,
    stream: TextIO | None = None,
    write: Callable[[str], object] | None = None,
    secrets: Iterable[str] = (),
    wall: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
) -> Logging:
    """Log as ``config`` says, from now on; what is returned changes that later.

    ``stream`` (default stderr) decides on form and colours. ``write`` gets each event whole, with
    its line ends, in place of the stream: a live view clears itself, writes, and is drawn again.
    ``secrets`` appear in no line.
    """
    stream = stream or sys.stderr
    logging_now = Logging(config, stream=stream, secrets=secrets, environ=environ)

    def line(logger: _LineLogger, level: str, fields: MutableMapping[str, Any]) -> str:
        return logging_now.form(_event_of(logging_now.scrubber, wall, logger, level, fields))

    structlog.configure(
        processors=[line],
        wrapper_class=cast("type[BindableLogger]", _logger_class(logging_now)),
        logger_factory=partial(_LineLogger, write or partial(_write, stream)),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logging_now


class _LineLogger:
    """What structlog hands each line to; a name given to get_logger() is the component."""

    def __init__(self, write: Callable[[str], object], *names: object) -> None:
        self.component = str(names[0]) if names else ""
        self._write = write
        self.debug = self.info = self.warning = self.error = self.critical = self._write_or_lose

    def _write_or_lose(self, text: str) -> None:
        """Write ``text`` if that can be done: a closed terminal and a full disk stop nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._write(text)


def _logger_class(logging_now: Logging) -> type[Any]:
    """Return a class of loggers whose methods below their component's level do nothing."""
    base: Any = structlog.make_filtering_bound_logger(_NUMBERS["debug"])

    def method(name: str, number: int) -> Callable[..., Any]:
        write = getattr(base, name)

        def write_or_not(self: Any, event: str, *args: object, **fields: object) -> Any:  # noqa: ANN401 - as in structlog
            component = self._context.get("component") or self._logger.component
            if logging_now.shows(component, number):
                return write(self, event, *args, **fields)
            return None

        return write_or_not

    methods = {name: method(name, number) for name, number in _NUMBERS.items()}
    return type("ComponentLogger", (base,), {**methods, "warn": methods["warning"]})


def _event_of(
    scrubber: Scrubber,
    wall: Callable[[], float],
    logger: _LineLogger,
    level: str,
    fields: MutableMapping[str, Any],
) -> LogEvent:
    name = fields.pop("event", "")
    component = fields.pop("component", None) or logger.component
    failure = _traceback_of(fields.pop("exc_info", None))
    return LogEvent(
        at=wall(),
        level=level,
        component=scrubber.text(str(component)),
        name=scrubber.text(str(name)),
        fields=scrubber.fields(fields),
        traceback=scrubber.text(failure, _LONGEST_TRACEBACK),
    )


def _traceback_of(exc_info: object) -> str:
    match exc_info:
        case BaseException():
            return "".join(traceback.format_exception(exc_info))
        case (type(), BaseException() as error, TracebackType() | None):
            return "".join(traceback.format_exception(error))
        case None | False:
            return ""
    return traceback.format_exc() if sys.exc_info()[1] else ""


def _form_for(
    config: LogConfig, stream: TextIO, environ: Mapping[str, str]
) -> Callable[[LogEvent], str]:
    if config.format == "json":
        return json_line
    if config.format == "auto" and _is_journal(stream, environ):
        return journal_line
    terminal = stream.isatty()
    colours = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return partial(console_line, colours=colours, short_time=terminal)


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether systemd connected ``stream`` to its journal, as systemd.exec(5) tells."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _write(stream: TextIO, text: str) -> None:
    """Write ``text`` at once; what the stream's encoding lacks is written as an escape."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class _Forwarder(logging.Handler):
    """Passes on what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a library's mistake costs its arguments, not our mining
            text = str(record.msg)
        reached = [name for name, number in _NUMBERS.items() if number <= record.levelno]
        log = structlog.get_logger().bind(component=record.name.partition(".")[0])
        write = getattr(log, (reached or ["debug"])[-1])
        write("library.message", text=text, exc_info=record.exc_info)


def _forward_standard_logging(config: LogConfig) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Forwarder)]:
        root.removeHandler(handler)
    root.addHandler(_Forwarder())
    root.setLevel(min(_NUMBERS[level] for level in (config.level, *config.levels.values())))
