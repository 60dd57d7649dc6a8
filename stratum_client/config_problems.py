"""Everything that is wrong with a configuration, not only the first thing.

After each error the value is taken out, or something harmless put in its place, and all is read
again; so what is told is what reading tells, with its lines.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig
from stratum_client.config_file import Draft, config_of, draft_of, warnings_on
from stratum_client.config_fragments import Fragment
from stratum_client.config_needs import missing
from stratum_client.config_paths import files_in, with_paths_in
from stratum_client.config_secrets import Secrets
from stratum_client.doctor_facts import file_problem, import_problem, pip_command
from stratum_client.errors import ConfigError
from stratum_client.fleet import Fleet
from stratum_client.miner import Miner
from stratum_client.schedule_source import schedule_of
from stratum_client.toml_lines import KeyPath, lines_of

MOST = 100
"""Errors that are told; who has more has more to do than to read on."""

_STAND_INS = {
    "user": "stand-in",
    "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "hours": "00:00-24:00",
    "secret": "sixteen-or-more-of-them",
}
_URLS = {"pool": "stratum+tcp://stand-in.invalid:1", "mqtt": "mqtt://stand-in.invalid"}
_OTHER_URL = "http://stand-in.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Errors and warnings, each on a line; ``config`` is None where there are errors."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    config: Config | None = None


class NoLog:
    """Nobody reads what a device says that is not going to run."""

    def debug(self, event: str, **fields: object) -> None:
        """Drop it."""

    def info(self, event: str, **fields: object) -> None:
        """Drop it."""

    def warning(self, event: str, **fields: object) -> None:
        """Drop it."""

    def error(self, event: str, **fields: object) -> None:
        """Drop it."""


def findings_in(
    data: bytes,
    *,
    name: str,
    environ: Mapping[str, str],
    directory: Path,
    fragments: Sequence[Fragment] = (),
    import_problem: Callable[[str], str] = import_problem,
    file_problem: Callable[[Path], str] = file_problem,
) -> Findings:
    """Return what is wrong with ``data``, the content of a file called ``name``.

    ``import_problem`` returns why a module cannot be imported, ``file_problem`` why a file cannot
    be read; empty if it can.
    """
    try:
        draft = draft_of(data, name=name, environ=environ, fragments=fragments)
    except ConfigError as error:
        return Findings(errors=(str(error),))
    errors, config, secrets = _errors_of(draft, environ, directory)
    warnings = [*draft.warnings, *secrets.warnings]
    if config:
        errors += [text for device in config.devices if (text := _device_error(device, draft))]
        warnings += warnings_on(config, draft.origins)
        placed, place = with_paths_in(config, directory), draft.origins.error
        lacking = tuple(missing(config, import_problem))
        for need in lacking:
            told = errors if need.is_hard else warnings
            told.append(str(place(need.path, need.problem(pip_command()))))
        for path, file in files_in(placed):
            if path[0] != "calendar" and (problem := file_problem(file)):
                warnings.append(str(place(path, f"{file} {problem}")))
        if not {need.extra for need in lacking} & {"calendar"}:
            errors += _calendar_errors(placed, draft)
    errors.sort(key=_line_of)
    if not draft.document.get("pool"):
        warnings.append(f"{name}: there is no [[pool]]: `run` then needs --pool and --user")
    usable = None if errors else config
    return Findings(errors=tuple(errors), warnings=tuple(warnings), config=usable)


def _calendar_errors(config: Config, draft: Draft) -> list[str]:
    """Return why a calendar cannot be read, each of which keeps `run` from starting."""
    errors = []
    for index, calendar in enumerate(config.calendars):
        try:
            schedule_of(replace(config, calendars=(calendar,)), now=SystemClock().wall())
        except ConfigError as error:
            problem = error.problem.partition(": ")[2]
            errors.append(str(draft.origins.error(("calendar", index, "file"), problem)))
    return errors


def _errors_of(
    draft: Draft, environ: Mapping[str, str], directory: Path
) -> tuple[list[str], Config | None, Secrets]:
    """Return all errors, and what is left when they are mended, None if that cannot be had."""
    errors: dict[str, None] = {}
    seen: set[str] = set()
    told: set[KeyPath] = set()
    document = draft.document
    while True:
        secrets = Secrets(environ, directory)
        try:
            config = config_of(copy.deepcopy(document), draft.origins, secrets)
        except ConfigError as error:
            is_new = str(error) not in seen
            seen.add(str(error))
            missing_key = _missing_in(error)
            if (*error.keys, missing_key) not in told:
                errors[str(error)] = None
            told.add(error.keys)
            mended = is_new and len(seen) < MOST and _mend(document, error)
            if not mended:
                return list(errors), None, secrets
        else:
            return list(errors), config, secrets


def _missing_in(error: ConfigError) -> str:
    """Return the key that an error says is missing, empty if none."""
    found = re.search(r"(?:^|: )(?:\w+, )*(?:\w+ or )?(\w+) is missing", error.problem)
    return found[1] if found else ""


def _line_of(error: str) -> int:
    """Return the line that an error names; those that name none come first."""
    named = re.match(r"[^\n]*?:(\d+): ", error)
    return int(named[1]) if named else 0


def _mend(document: dict[str, object], error: ConfigError) -> bool:
    """Take out of ``document`` what ``error`` is about; return whether that could be done."""
    if not error.keys:
        return False
    *above, last = error.keys
    table = _at(document, tuple(above))
    missing_key = _missing_in(error)
    found = _at(document, error.keys)
    if missing_key and isinstance(found, dict):
        return _fill(found, missing_key, error.keys) or _take_out(document, error.keys)
    if above[-1:] == ["meter"] and last == "source":
        return _take_out(document, tuple(above))  # nothing else of it can be judged
    if isinstance(table, dict) and above[-1:] == ["deadlines"] and last not in table:
        table.clear()  # it is its default that does not fit to the others
        return True
    if not isinstance(table, dict) or last not in table:
        return False
    stand_in = _stand_in(error.keys, last)
    if stand_in and table[last] != stand_in:
        table[last] = stand_in
    else:
        del table[last]
        if error.keys[0] == "device" and not table.keys() & {"driver", "match", "port"}:
            table["driver"] = "cpu"
    return True


def _fill(table: dict[str, object], key: str, keys: KeyPath) -> bool:
    if keys[0] == "device" and len(keys) == 2:
        key, value = "driver", "cpu"
    else:
        value = _stand_in(keys, key)
    if not value or key in table:
        return False
    table[key] = value
    return True


def _stand_in(keys: KeyPath, key: str | int) -> str:
    """Return what may stand for ``key`` in the table of ``keys``; empty if nothing may."""
    if key == "url":
        return _URLS.get(str(keys[0]), _OTHER_URL)
    return _STAND_INS.get(str(key), "")


def _take_out(document: dict[str, object], keys: KeyPath) -> bool:
    """Take out a table as a whole; of an array all tables, for the others' lines are counted."""
    *above, last = keys if isinstance(keys[-1], str) else keys[:-1]
    table = _at(document, tuple(above))
    return isinstance(table, dict) and table.pop(last, None) is not None


def _at(document: object, keys: KeyPath) -> object:
    for key in keys:
        if isinstance(document, dict) or (
            isinstance(document, list) and isinstance(key, int) and key < len(document)
        ):
            document = document.get(key) if isinstance(document, dict) else document[int(key)]
        else:
            return None
    return document


def _device_error(device: DeviceConfig, draft: Draft) -> str:
    """Return why there cannot be such a device, as its driver sees it."""
    clock = SystemClock()
    try:
        Fleet(
            [device],
            miner=Miner(clock),
            clock=clock,
            random=Random(),
            log_for=lambda _: NoLog(),
        )
    except ConfigError as error:
        lines = lines_of(draft.origins.text)
        tables = draft.document.get("device")
        for index, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, dict) and device.name in {table.get("name"), table.get("driver")}:
                line = lines.get(("device", index, "settings")) or lines.get(("device", index))
                return f"{draft.origins.name}:{line}: {error}" if line else str(error)
        return str(error)
    return ""
