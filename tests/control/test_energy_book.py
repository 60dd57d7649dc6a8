"""Days of clocks that are set, restarts and kills: each interval is in the ledger once."""

from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.energy import Ended, EnergyMeter, Look
from stratum_client.control.energy_book import EnergyBook, checkpoint_of, started, stopped
from stratum_client.control.energy_chain import line_in
from stratum_client.control.energy_records import IntervalRecord, Record, interval_in, record_of
from stratum_client.control.energy_verify import Verifier
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.control.tariff import Tariff

START = 1_764_000_000.0
PLAIN = Tariff(rules=(), zone=UTC)

STEP = st.tuples(
    st.floats(0.1, 14.0), st.floats(0, 5000), st.sampled_from([0.0, 0.0, 0.0, 5400.0, -90_000.0])
)
RUN = st.tuples(st.lists(STEP, min_size=1, max_size=12), st.booleans(), st.floats(0, 90_000))


class Shelf:
    """What outlives a process: lines and a checkpoint, in memory."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.checkpoint = b""

    def opened(self) -> EnergyBook:
        book = EnergyBook()
        found = [line_in(line[:-1]) for line in self.lines]
        book.restore(line for line in found if line)
        return book

    def write(self, book: EnergyBook, record: Record) -> None:
        done: Record | None = None
        while done is not record:
            line = book.next_line(record)
            self.lines.append(line.data)
            book.took(line.line)
            done = line.record

    def intervals(self) -> list[IntervalRecord]:
        found = [line_in(line[:-1]) for line in self.lines]
        assert all(found)
        return [
            interval_in(line.fields) for line in found if line and line.fields["kind"] == "interval"
        ]

    def recover(self, book: EnergyBook) -> None:
        """Do as a start does with what a kill has left."""
        line = line_in(self.checkpoint[:-1])
        record = interval_in(line.fields) if line else None
        if record and record.number > book.last_number.get(record.run, 0):
            self.write(book, replace(record, ended=Ended.RECOVERED))


def look(wall: float, at: float, watts: float) -> Look:
    total = Reading(watts=watts, source=Source.PLUG, at=at)
    return Look(wall=wall, at=at, power=RigPower(wall=wall, at=at, total=total))


@settings(max_examples=40)
@given(runs=st.lists(RUN, min_size=1, max_size=5))
def test_clock_jumps_restarts_and_kills_lose_nothing_and_count_nothing_twice(
    runs: list[tuple[list[tuple[float, float, float]], bool, float]],
) -> None:
    """Each kill comes right after a checkpoint: what was counted by then must be there once."""
    shelf, wall, by_hand = Shelf(), START, 0.0
    for number, (steps, is_killed, pause) in enumerate(runs):
        book, meter, count, at, last = shelf.opened(), EnergyMeter(PLAIN.period_at), 0, 0.0, 100.0
        name = f"run{number}"
        shelf.recover(book)
        shelf.write(book, started(run=name, time="t", rig="rig", version="1"))
        meter.look(look(wall, at, last))
        for step, watts, jump in steps:
            at, wall = at + step, wall + step + jump
            by_hand, last = by_hand + (last + watts) / 2 * step, watts
            for interval in meter.look(look(wall, at, watts)):
                count += 1
                shelf.write(book, record_of(interval, run=name, number=count, zone=UTC))
            if meter.open and meter.open.seconds:
                record = record_of(meter.open, run=name, number=count + 1, zone=UTC)
                shelf.checkpoint = checkpoint_of(record)
        for interval in [] if is_killed else meter.close():
            shelf.write(book, record_of(interval, run=name, number=count + 1, zone=UTC))
        if not is_killed:
            shelf.write(book, stopped(run=name, time="t"))
        wall += pause
    shelf.recover(book := shelf.opened())

    found = shelf.intervals()
    total = sum((record.rig.total for record in found), Decimal(0))
    tolerance = 1e-6 * len(found) + 1e-9 * by_hand
    assert abs(float(total) - by_hand / 3600) <= tolerance
    assert len({(record.run, record.number) for record in found}) == len(found)
    verifier = Verifier(is_whole=True, check=None)
    for number, line in enumerate(shelf.lines):
        verifier.line(line[:-1], f"line {number}")
    assert verifier.finish(book.head("t"), "head").problems == []
