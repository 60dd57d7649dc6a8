"""The energy ledger as it grows: which line comes next, what totals and seals have to say; pure.

Kinds of lines: ``start`` and ``stop`` of a daemon; ``interval``; ``day``, the total of all
intervals since the total before it, written before the first interval of another day; ``seal``, a
signature of all lines before it, behind each total and each stop where there is a key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from stratum_client.control.energy_chain import FIRST, ChainedLine, chained, sealed
from stratum_client.control.energy_records import (
    DayTotal,
    Fields,
    IntervalRecord,
    Record,
    RecordError,
    RunNote,
    interval_in,
    summed,
)


class Signer(Protocol):
    """Holds a key; ``key`` is its public half, in hexadecimal digits."""

    @property
    def key(self) -> str:
        """Return the public key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLine:
    """A line to be written; ``record`` is the one that it finishes, if it does."""

    data: bytes
    line: ChainedLine
    record: Record | None


class EnergyBook:
    """What is known of the ledger's end; told of each line once that is written.

    ``end`` is the number and the digest of the newest line, for other threads to read.
    """

    def __init__(self, signer: Signer | None = None) -> None:
        self.seq = 0
        self.digest = FIRST
        self.end = 0, FIRST
        self.last_number: dict[str, int] = {}
        self.day_closed = False
        self._signer = signer
        self._open: list[IntervalRecord] = []
        self._seal_due = False

    @property
    def open_intervals(self) -> tuple[IntervalRecord, ...]:
        """Return the intervals that no total has taken in yet."""
        return tuple(self._open)

    def restore(self, lines: Iterable[ChainedLine]) -> None:
        """Take in the newest lines of a ledger, from a total on or from the beginning."""
        for line in lines:
            self.took(line)
        self._seal_due = False

    def skip_to(self, seq: int) -> None:
        """Go on behind line ``seq``: the lines from here to there are missing."""
        self.seq = max(self.seq, seq)

    def next_line(self, record: Record) -> NextLine:
        """Return the line to write next, so that ``record`` may be written."""
        if self._seal_due and self._signer:
            return self._line(self._seal(self._signer))
        if total := self._total_before(record):
            return self._line(total.json())
        return self._line(record.json(), record)

    def seal_due(self) -> NextLine | None:
        """Return the seal that has to follow what was written last."""
        if self._seal_due and self._signer:
            return self._line(self._seal(self._signer))
        return None

    def took(self, line: ChainedLine) -> None:
        """Take note that ``line`` is in the ledger."""
        self.seq, self.digest = line.seq, line.digest
        self.end = line.seq, line.digest
        kind = line.fields.get("kind")
        self.day_closed = kind == "day" or (kind == "seal" and self.day_closed)
        self._seal_due = kind in {"day", "stop"}
        if kind == "day":
            self._open.clear()
        elif kind == "interval":
            try:
                record = interval_in(line.fields)
            except RecordError:
                return  # of a program to come; `verify` says so
            self._open.append(record)
            self.last_number[record.run] = record.number

    def head(self, time: str) -> bytes:
        """Return the text of a head file: what the newest line is, signed where there is a key."""
        fields: dict[str, object] = {"kind": "head", "time": time}
        if self._signer:
            fields |= _signature(self._signer, self.seq, self.digest)
        return chained(fields, seq=self.seq, prev=self.digest)[0]

    def _total_before(self, record: Record) -> DayTotal | None:
        if isinstance(record, IntervalRecord) and self._open and self._open[0].day != record.day:
            return summed(self._open)
        return None

    def _seal(self, signer: Signer) -> Fields:
        return {"kind": "seal", **_signature(signer, self.seq, self.digest)}

    def _line(self, fields: Fields, record: Record | None = None) -> NextLine:
        data, line = chained(fields, seq=self.seq + 1, prev=self.digest)
        return NextLine(data=data, line=line, record=record)


def _signature(signer: Signer, seq: int, digest: str) -> dict[str, object]:
    signature = signer.sign(sealed(seq, digest)).hex()
    return {"key": signer.key, "signature": signature}


def checkpoint_of(record: IntervalRecord) -> bytes:
    """Return an interval that goes on, as the text of a file that a kill leaves behind."""
    return chained(record.json(), seq=0, prev="")[0]


def started(*, run: str, time: str, rig: str, version: str, missing: int = 0) -> RunNote:
    """Return the note of a beginning; ``missing`` is the number of the newest line known of."""
    lost = {"missing_to": missing} if missing else {}
    return RunNote(
        kind="start", fields={"run": run, "time": time, "rig": rig, "version": version, **lost}
    )


def stopped(*, run: str, time: str) -> RunNote:
    """Return the note of an end."""
    return RunNote(kind="stop", fields={"run": run, "time": time})
