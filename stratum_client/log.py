"""Set up structlog: levels per component, one line per event, to a stream or wherever it is told.

A logger is had by ``structlog.get_logger().bind(component="pool")``; levels are fixed when it is
bound. What the standard library's loggers say comes out the same way, their first name as the
component. A log that cannot be written is lost, and mining goes on.
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

from stratum_client.config import LogConfig
from stratum_client.log_fields import Scrubber
from stratum_client.log_lines import LogEvent, console_line, journal_line, json_line

if TYPE_CHECKING:
    from structlog.typing import BindableLogger

_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LONGEST_TRACEBACK = 20_000


def configure_logging(
    config: LogConfig,
    *,
    stream: TextIO | None = None,
    write: Callable[[str], object] | None = None,
    secrets: Iterable[str] = (),
    wall: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Log as ``config`` says, from now on; call it again when the settings change.

    ``stream`` (default stderr) decides on form and colours. ``write`` gets each event whole, with
    its line ends, in place of the stream: a live view clears itself, writes, and is drawn again.
    ``secrets`` appear in no line.
    """
    stream = stream or sys.stderr
    form = _form_for(config, stream, environ)
    event_of = partial(_event_of, Scrubber(secrets), wall)
    structlog.configure(
        processors=[lambda logger, level, fields: form(event_of(logger, level, fields))],
        wrapper_class=cast("type[BindableLogger]", _logger_class(config)),
        logger_factory=partial(_LineLogger, write or partial(_write, stream)),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    _forward_standard_logging(config)


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


def _logger_class(config: LogConfig) -> Callable[..., Any]:
    """Return what makes a logger: one whose methods below its component's level do nothing."""
    default = _NUMBERS[config.level]
    levels = {component: _NUMBERS[level] for component, level in config.levels.items()}

    def make(logger: _LineLogger, processors: Any, context: dict[str, object]) -> Any:  # noqa: ANN401 - as structlog calls it
        component = str(context.get("component") or logger.component)
        return classes[levels.get(component, default)](logger, processors, context)

    def bind(self: Any, **values: object) -> Any:  # noqa: ANN401 - a method of structlog's class
        return make(self._logger, self._processors, {**self._context, **values})

    classes = {
        level: type(
            "ComponentLogger", (structlog.make_filtering_bound_logger(level),), {"bind": bind}
        )
        for level in {default, *levels.values()}
    }
    return make


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
