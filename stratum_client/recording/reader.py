"""A recording read back: its runs, each with a header and entries; pure but for the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stratum_client.recording.entries import (
    FORMAT,
    Entry,
    EntryError,
    Rim,
    What,
    decoded,
    entry_of,
)
from stratum_client.recording.recorded_config import order_of

LARGEST = 1 << 32
HEADER_DIGITS = 152
"""A header without its nonce, 76 bytes."""


class RecordingError(Exception):
    """A file is no recording that can be played; ``problem`` says why."""

    def __init__(self, name: str, problem: str, *, line: int = 0) -> None:
        super().__init__(f"{name}{f':{line}' if line else ''}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a run began with; times in seconds, ``monotonic`` on the clock of that machine."""

    program: str
    wall: float
    monotonic: float
    config: Mapping[str, object]
    extranonce2_start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program; ``lines`` are the numbers of its entries' lines in the file.

    ``is_torn`` when the last line was cut, as by a crash.
    """

    header: Header
    entries: Sequence[Entry]
    lines: Sequence[int]
    is_torn: bool = False

    @property
    def ends_early(self) -> str:
        """Return in words why the recording does not go on to the end of the run."""
        for entry in self.entries:
            if entry.what is What.GAP:
                return f"{entry.number('entries')} entries are missing"
            if entry.what is What.END and entry.text("reason"):
                return entry.text("reason")
        return "its last line is torn" if self.is_torn else ""


@dataclass(slots=True)
class _Unfinished:
    header: Header
    entries: list[Entry] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_recording(path: Path) -> list[Run]:
    """Return the runs in the file ``path``, one or more; raise RecordingError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise RecordingError(str(path), f"cannot be read: {error.strerror}") from error
    return runs_in(data, name=str(path))


def runs_in(data: bytes, *, name: str) -> list[Run]:
    """Return the runs in ``data``, the content of a file called ``name``; raise RecordingError."""
    runs: list[_Unfinished] = []
    lines = data.split(b"\n")
    is_torn = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            _take(runs, decoded(line), number)
        except EntryError as error:
            if runs and _may_be_torn(lines, number, line):
                is_torn = True
                continue
            raise RecordingError(name, str(error), line=number) from error
    if not runs:
        raise RecordingError(name, "is empty")
    last = len(runs) - 1
    return [
        Run(header=r.header, entries=r.entries, lines=r.lines, is_torn=is_torn and i == last)
        for i, r in enumerate(runs)
    ]


def _take(runs: list[_Unfinished], content: Mapping[str, object], number: int) -> None:
    if "recording" in content:
        runs.append(_Unfinished(_header_of(content)))
        return
    if not runs:
        raise EntryError("it does not begin with the header of a recording")
    runs[-1].entries.append(_checked(entry_of(content)))
    runs[-1].lines.append(number)


def _may_be_torn(lines: Sequence[bytes], number: int, line: bytes) -> bool:
    """Return whether a line was cut by a crash: it is the last one, or a new run follows it."""
    if number == len(lines):
        return True
    following = lines[number]
    return line.startswith(b"{") and following.startswith(b'{"recording":')


def _header_of(content: Mapping[str, object]) -> Header:
    version = content["recording"]
    if version != FORMAT:
        raise EntryError(f"a recording of format {version!r}, known here is {FORMAT}")
    config = content.get("config")
    if not isinstance(config, dict):
        raise EntryError('"config" is not a table')
    start = Entry(at=0.0, rim=Rim.DAEMON, what=What.STOP, fields=content)
    return Header(
        program=start.text("program"),
        wall=start.real("wall"),
        monotonic=start.real("monotonic"),
        extranonce2_start=start.number("extranonce2_start"),
        config=config,
    )


def _checked(entry: Entry) -> Entry:
    """Return ``entry`` if a replay can rely on its fields; raise EntryError."""
    match entry.what:
        case What.WORK:
            entry.number("work")
            _check_digits(entry, "header", HEADER_DIGITS)
            _check_digits(entry, "mask", 8)
            _check_digits(entry, "target", 64)
        case What.FOUND:
            entry.number("work")
            for key in ("nonce", "version", "ntime"):
                _check_digits(entry, key, 8)
        case What.ORDER:
            order_of(entry)
        case What.HASHRATE:
            entry.real("value")
        case What.GAP:
            entry.number("entries")
        case What.END | What.REFUSED | What.LOST:
            entry.text("reason")
    return entry


def _check_digits(entry: Entry, key: str, count: int) -> None:
    text = entry.text(key)
    if len(text) != count or set(text) - set("0123456789abcdef"):
        raise EntryError(f'"{key}" is not {count} hexadecimal digits')
