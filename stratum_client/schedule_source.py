"""From a configuration to the schedule of operating windows, calendars read."""

from zoneinfo import ZoneInfo

from stratum_client.config import Config
from stratum_client.config_schedule import WindowConfig
from stratum_client.control.io.calendar_file import CalendarError, CalendarFile, read_calendar
from stratum_client.control.schedule import DAYS, LAG, Schedule, Window
from stratum_client.errors import ConfigError


def schedule_of(config: Config, *, now: float) -> Schedule | None:
    """Return when the rig may run, None where neither a window nor a calendar is configured.

    Reads files; raises ConfigError for a calendar that cannot be read.
    """
    if not config.windows and not config.calendars:
        return None
    zone = ZoneInfo(config.rig.timezone)
    return Schedule(
        windows=tuple(_window(window) for window in config.windows),
        zone=zone,
        outside=config.schedule.outside,
        lag=LAG if config.schedule.lag == "auto" else config.schedule.lag,
        calendars=_calendars(config, zone, now),
    )


def _window(config: WindowConfig) -> Window:
    start, end = config.hours
    days = frozenset(DAYS.index(day) for day in config.days)
    return Window(days=days, start=start, end=end, mode=config.mode)


def _calendars(config: Config, zone: ZoneInfo, now: float) -> tuple[CalendarFile, ...]:
    found = []
    for number, calendar in enumerate(config.calendars, 1):
        try:
            found.append(read_calendar(calendar.file, calendar.mode, zone, now=now))
        except CalendarError as error:
            where = config.path or "configuration"
            raise ConfigError(where, f"calendar[{number}].file: {error}") from error
    return tuple(found)
