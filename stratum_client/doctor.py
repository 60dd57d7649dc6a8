"""What `stratum-client doctor` says of facts that others gathered: one check, one line.

Everything here is pure. Each function turns facts of one kind into checks; `doctor_facts` gathers
those of the machine, `doctor_pools` those of pools, and `doctor_ports` says what ports need.
"""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shlex import quote

from stratum_client.errors import ConfigError
from stratum_client.wire import printable

OLDEST_PYTHON = (3, 11)
EARLIEST = 1_767_225_600
"""2026-01-01 UTC, in seconds since 1970: a clock that shows less is wrong."""

LATEST = 4_102_444_800
"""2100-01-01 UTC."""

LITTLE_SPACE = 64 << 20
"""Bytes: what logs and accounts of some weeks take."""

MQTT_COMMAND = "pip install 'stratum-client[mqtt]'"
SET_CLOCK = "sudo timedatectl set-ntp true"

_LONGEST = 500


class Status(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what was looked at, what was seen, and the command that puts it right."""

    name: str
    status: Status = Status.OK
    text: str
    fix: str = ""

    def json(self) -> dict[str, object]:
        """Return the check for programs."""
        return {
            "check": self.name,
            "status": self.status.lower(),
            "text": printable(self.text, _LONGEST),
            "fix": self.fix or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFacts:
    """The configuration: its file, if any; what is wrong with it; what a human should look at."""

    path: Path | None = None
    error: ConfigError | None = None
    warnings: tuple[str, ...] = ()
    pools: int = 0
    devices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFacts:
    """The state directory, or why none is known; ``holders`` as `port_holders` names them.

    ``is_usable``: one can write there, or make it. ``free`` is in bytes, None if unknown.
    """

    path: Path | None
    problem: str = ""
    exists: bool = False
    is_usable: bool = True
    holders: tuple[str, ...] = ()
    free: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """The clock, in seconds since 1970; ``is_synchronized`` is None where nobody can tell."""

    wall: float
    shown: str
    is_synchronized: bool | None


def lines(checks: Iterable[Check], *, colours: bool = False, width: int | None = None) -> list[str]:
    """Return each check as one line, in columns.

    In a terminal of ``width`` columns one that is longer goes on below itself, and a command gets a
    line to be copied from.
    """
    rows = list(checks)
    names = [printable(check.name, 40) for check in rows]
    name_width = max(map(len, names), default=0)
    indent = " " * (_STATUS_WIDTH + 2 + name_width + 2)
    shown = []
    for check, name in zip(rows, names, strict=True):
        told = _told(check)
        if width is not None and len(indent) + len(told) > width:
            told = f"\n{indent}".join(_wrapped(check, max(width - len(indent), _NARROWEST)))
        status = _shown(check.status, colours=colours)
        shown += f"{status}  {name:<{name_width}}  {told}".split("\n")
    return shown


def has_failed(checks: Iterable[Check]) -> bool:
    """Return whether any check says that mining cannot work as it is."""
    return any(check.status is Status.FAIL for check in checks)


def python_check(version: tuple[int, int, int]) -> Check:
    """Return whether this Python is recent enough."""
    text = ".".join(map(str, version))
    if version[:2] >= OLDEST_PYTHON:
        return Check(name="python", text=text)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        name="python",
        status=Status.FAIL,
        text=f"{text} is too old; {oldest} or later is needed",
        fix=f"sudo apt install python{oldest} python{oldest}-venv",
    )


def kernels_check(
    best: str, available: Iterable[str], unavailable: Mapping[str, str], pip: str
) -> Check:
    """Return which hash kernel is quickest, and what to do if the C extension is not there.

    ``pip`` is the command that installs packages where this program is installed.
    """
    others = [name for name in available if name != best]
    text = f"{best} is the quickest" + (f"; also {', '.join(others)}" if others else "")
    if "portable" not in unavailable:
        return Check(name="hash kernels", text=text)
    reason = unavailable["portable"].partition("; for the fast")[0]
    package = "stratum-client"
    return Check(
        name="hash kernels",
        status=Status.WARNING,
        text=f"{text}; hashing on the CPU and emulators are slow: {reason}",
        fix=f"sudo apt install gcc python3-dev && {pip} --force-reinstall --no-deps --no-cache-dir"
        f" --no-binary {package} {package}",
    )


def config_check(facts: ConfigFacts) -> Check:
    """Return whether there is a configuration and what is wrong with it."""
    name = "configuration"
    if facts.error:
        return Check(
            name=name, status=Status.FAIL, text=str(facts.error), fix=_config_fix(facts.error)
        )
    if facts.path is None:
        return Check(name=name, text="no file found; all settings are at their defaults")
    text = f"{facts.path}: valid; pools: {facts.pools}, devices: {facts.devices or 'as found'}"
    if facts.warnings:
        return Check(
            name=name,
            status=Status.WARNING,
            text=f"{text}; {'; '.join(facts.warnings)}",
            fix=f"${{EDITOR:-nano}} {quote(str(facts.path))}",
        )
    return Check(name=name, text=text)


def state_check(facts: StateFacts) -> Check:
    """Return whether the state directory can be used; that a daemon has it is no failure."""
    name, path = "state directory", quote(str(facts.path))
    if facts.path is None:
        return Check(
            name=name, status=Status.FAIL, text=facts.problem, fix='export SC_STATE_DIR="$PWD"'
        )
    if facts.holders:
        who = " and ".join(facts.holders)
        return Check(name=name, text=f"{facts.path}: a daemon runs there: process {who}")
    if facts.problem or not facts.is_usable:
        problem = facts.problem or "this user cannot write there"
        return Check(
            name=name,
            status=Status.FAIL,
            text=f"{facts.path}: {problem}",
            fix=f'sudo install -d -m 700 -o "$(id -un)" {path}',
        )
    if facts.free is not None and facts.free < LITTLE_SPACE:
        return Check(
            name=name,
            status=Status.WARNING,
            text=f"{facts.path}: only {facts.free >> 20} MiB are free on its disk",
            fix="sudo journalctl --vacuum-size=100M",
        )
    how = "can be used" if facts.exists else "will be made at the first start"
    return Check(name=name, text=f"{facts.path}: {how}")


def clock_check(facts: ClockFacts) -> Check:
    """Return whether the clock can be believed: windows, prices and certificates hang on it."""
    name = "clock"
    if not EARLIEST <= facts.wall < LATEST:
        text = f"{facts.shown} cannot be right"
        return Check(name=name, status=Status.FAIL, text=text, fix=SET_CLOCK)
    if facts.is_synchronized:
        return Check(name=name, text=f"{facts.shown}, synchronised")
    state = "not synchronised" if facts.is_synchronized is False else "nobody says if it is right"
    text = f"{facts.shown}, {state}"
    return Check(name=name, status=Status.WARNING, text=text, fix=SET_CLOCK)


def broker_check(address: str, problem: str) -> Check:
    """Return whether the broker at ``address`` lets us in; ``problem`` is empty if so."""
    if not problem:
        return Check(name=f"broker {address}", text="lets us in")
    fix = MQTT_COMMAND if MQTT_COMMAND in problem else ""
    text = f"{problem}; orders and meters by MQTT do not reach this rig"
    return Check(name=f"broker {address}", status=Status.WARNING, text=text, fix=fix)


def library_check(name: str, problem: str, fix: str, *, needed_for: str, is_core: bool) -> Check:
    """Return whether a library can be used; ``problem`` is empty if so."""
    if not problem:
        return Check(name=name, text="can be used")
    status = Status.FAIL if is_core else Status.WARNING
    return Check(name=name, status=status, text=f"{problem}; needed for {needed_for}", fix=fix)


def drivers_check(problems: Iterable[str], pip: str) -> Check:
    """Return whether all drivers could be loaded; ``problems`` say of each that could not why."""
    told = "; ".join(problems)
    if not told:
        return Check(name="drivers", text="all can be loaded")
    fix = f"{pip} --upgrade stratum-client"
    return Check(name="drivers", status=Status.WARNING, text=told, fix=fix)


def extras_check(missing: Mapping[str, tuple[str, ...]] | None, pip: str) -> Check:
    """Return which extras are missing packages: ``missing`` is by extra, None if nobody knows."""
    if missing is None:
        return Check(name="extras", text="unknown: this is not an installed package")
    if not missing:
        return Check(name="extras", text="all are installed")
    told = ", ".join(f"{extra} ({', '.join(missing[extra])})" for extra in sorted(missing))
    names = ",".join(sorted(missing))
    return Check(
        name="extras",
        text=f"not installed, and only needed if wanted: {told}",
        fix=f"{pip} {quote(f'stratum-client[{names}]')}",
    )


_STATUS_WIDTH = 7
_NARROWEST = 30

_COLOURS = {Status.OK: "32", Status.WARNING: "33", Status.FAIL: "1;31"}


def _shown(status: Status, *, colours: bool) -> str:
    text = f"{status:<{_STATUS_WIDTH}}"
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m" if colours else text


def _told(check: Check) -> str:
    text = printable(check.text, _LONGEST)
    return f"{text}; run: {check.fix}" if check.fix else text


def _wrapped(check: Check, room: int) -> list[str]:
    text = printable(check.text, _LONGEST)
    told = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return [*told, f"run: {check.fix}"] if check.fix else told


def _config_fix(error: ConfigError) -> str:
    """Return the command that opens the file where it is wrong."""
    path, _, line = error.path.rpartition(":")
    if path and line.isdecimal():
        return f"${{EDITOR:-nano}} +{line} {quote(path)}"
    if "Permission denied" in error.problem:
        return f'sudo setfacl -m "u:$(id -un):r" {quote(error.path)}'
    return f"ls -l {quote(error.path)}" if "/" in error.path else "env | grep ^SC_"
