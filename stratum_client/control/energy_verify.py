"""Whether an energy ledger is as it was written, and up to where that is proven; pure.

What a chain can prove and what it cannot: any change *inside* shows by itself. An end that was cut
off shows by the head file, a line of its own that names the newest line. Somebody who may write all
files can cut both, or write all anew, unless he lacks the key that signed them; and even with a key
an older head, kept and put back with the ledger as it was then, is in order by itself. So a head
that was noted elsewhere is the strongest proof, and may be handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from stratum_client.control.energy_chain import FIRST, ChainedLine, line_in, sealed
from stratum_client.control.energy_records import (
    IntervalRecord,
    RecordError,
    interval_in,
    summed,
)

MOST_NAMED = 100

KINDS = frozenset({"start", "stop", "interval", "day", "seal"})

CheckSignature = Callable[[str, bytes, str], bool]
"""Whether a key (hexadecimal) signed bytes so (hexadecimal)."""


@dataclass(slots=True)
class Verdict:
    """What was found: ``problems`` (the first hundred are named) make the ledger a bad one.

    ``sealed_to`` is the last line under a good signature, ``unsealed`` counts lines behind the
    head, which a kill may leave.
    """

    lines: int = 0
    intervals: int = 0
    first_day: date | None = None
    last_day: date | None = None
    head_seq: int | None = None
    last_seq: int = 0
    last_digest: str = FIRST
    sealed_to: int = 0
    signers: set[str] = field(default_factory=set)
    unsealed: int = 0
    torn: bool = False
    count: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Return whether nothing is amiss."""
        return not self.count

    def add(self, problem: str) -> None:
        """Take note of a problem."""
        self.count += 1
        if len(self.problems) < MOST_NAMED:
            self.problems.append(problem)


class Verifier:
    """Reads lines in order; ``is_whole`` says that nothing may be missing before the first.

    ``check`` checks signatures, None where that cannot be done here. With ``key`` no other one is
    believed. ``noted`` is the digest of a line that the ledger must have.
    """

    def __init__(
        self,
        *,
        is_whole: bool,
        check: CheckSignature | None,
        key: str = "",
        noted: str = "",
    ) -> None:
        self.verdict = Verdict()
        self._is_whole = is_whole
        self._check = check
        self._key = key
        self._noted = noted
        self._found_noted = not noted
        self._last: ChainedLine | None = None
        self._digests: dict[int, str] = {}
        self._open: list[IntervalRecord] = []
        self._uncheckable = False

    def line(self, data: bytes, place: str) -> ChainedLine | None:
        """Take in a line without its line end; return it if it is as it was written."""
        line = line_in(data)
        if line is None:
            self.verdict.add(f"{place}: the line is not as it was written")
            self._open.clear()
            return None
        verdict, last = self.verdict, self._last
        verdict.lines += 1
        self._link(line, last, place)
        self._last, self._digests[line.seq] = line, line.digest
        verdict.last_seq, verdict.last_digest = line.seq, line.digest
        self._found_noted = self._found_noted or line.digest == self._noted
        self._meaning(line, place)
        return line

    def torn(self, place: str) -> None:
        """Take note that a file ends within a line."""
        self.verdict.torn = True
        self._torn_at = place

    def finish(self, head: bytes | None, place: str) -> Verdict:
        """Compare the end with the head file; None where there is none."""
        verdict = self.verdict
        if self._is_whole:
            self._compare(head, place)
        if not self._found_noted:
            verdict.add("the line whose digest was noted is not in it: it was cut off or replaced")
        if self._uncheckable:
            verdict.add(
                "it is signed, but signatures cannot be checked here:"
                " pip install 'stratum-client[signing]'"
            )
        if self._key and verdict.sealed_to == 0 and not self._uncheckable:
            verdict.add("nothing in it is signed by the given key")
        return verdict

    # --- inside ---

    def _link(self, line: ChainedLine, last: ChainedLine | None, place: str) -> None:
        if last is None:
            if self._is_whole and (line.seq != 1 or line.prev != FIRST):
                self.verdict.add(
                    f"{place}: line {line.seq} comes first: what was before is missing"
                )
        elif line.seq != last.seq + 1:
            self.verdict.add(f"{place}: line {line.seq} follows line {last.seq}")
            self._open.clear()
        elif line.prev != last.digest:
            self.verdict.add(f"{place}: line {line.seq} does not follow from the line before it")

    def _meaning(self, line: ChainedLine, place: str) -> None:
        try:
            match line.fields.get("kind"):
                case "interval":
                    self._interval(line)
                case "day":
                    self._day(line.fields)
                case "seal":
                    self._seal(line.fields, line.seq - 1, line.prev, place)
                case kind if kind not in KINDS:
                    self.verdict.add(f"{place}: a line of an unknown kind")
        except RecordError as error:
            self.verdict.add(f"{place}: {error}")

    def _interval(self, line: ChainedLine) -> None:
        record, verdict = interval_in(line.fields), self.verdict
        if self._open and self._open[0].day != record.day:
            raise RecordError("an interval of another day, and no total before it")
        self._open.append(record)
        verdict.intervals += 1
        verdict.first_day = min(verdict.first_day or record.day, record.day)
        verdict.last_day = max(verdict.last_day or record.day, record.day)
        if record.json() != {k: v for k, v in line.fields.items() if k not in {"seq", "prev"}}:
            raise RecordError("the cost is not the energy times the price, or numbers are not ours")

    def _day(self, fields: Mapping[str, object]) -> None:
        total, self._open = summed(self._open), []
        told = {key: value for key, value in fields.items() if key not in {"seq", "prev"}}
        if total is None or total.json() != told:
            raise RecordError("the total of the day is not the sum of its intervals")

    def _seal(self, fields: Mapping[str, object], seq: int, digest: str, place: str) -> None:
        key, signature = fields.get("key"), fields.get("signature")
        if not isinstance(key, str) or not isinstance(signature, str):
            raise RecordError("a seal without key and signature")
        if self._check is None:
            self._uncheckable = True
        elif not self._check(key, sealed(seq, digest), signature):
            self.verdict.add(f"{place}: the signature is false")
        elif self._key and key != self._key:
            self.verdict.add(f"{place}: signed by another key, {key}")
        else:
            self.verdict.signers.add(key)
            self.verdict.sealed_to = max(self.verdict.sealed_to, seq)

    def _compare(self, head: bytes | None, place: str) -> None:
        verdict = self.verdict
        if head is None:
            if verdict.lines or verdict.torn:
                verdict.add(f"{place} is missing: nobody can tell whether the end was cut off")
            return
        line = line_in(head.removesuffix(b"\n")) if head.endswith(b"\n") else None
        if line is None or line.fields.get("kind") != "head":
            verdict.add(f"{place} is not as it was written")
            return
        verdict.head_seq = line.seq
        if "signature" in line.fields:
            self._seal(line.fields, line.seq, line.prev, place)
        elif self._key:
            verdict.add(f"{place} is not signed")
        if line.seq > verdict.last_seq:
            verdict.add(
                f"the end is missing: {place} knows line {line.seq}, the last one here is"
                f" {verdict.last_seq}"
            )
        elif self._digests.get(line.seq, FIRST) != line.prev:
            verdict.add(f"line {line.seq} is another one than {place} knows")
        verdict.unsealed = max(verdict.last_seq - line.seq, 0)
