"""The energy account by days, for people and for machines; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from stratum_client.control.energy_records import (
    NOTHING,
    EnergySum,
    IntervalRecord,
)
from stratum_client.control.tariff import ZERO
from stratum_client.units import plain

_KILO = Decimal(1000)


@dataclass(slots=True, kw_only=True)
class Report:
    """What intervals come to: of one day, or of several.

    ``sheddable`` is the mean power while there was work, which an order to rest takes off;
    ``peak`` the highest mean of an interval, in watts. ``idle_after`` are the seconds that orders
    to rest took.
    """

    name: str
    rig: EnergySum = NOTHING
    devices: dict[str, EnergySum] = field(default_factory=dict)
    costs: dict[str, Decimal] = field(default_factory=dict)
    unpriced: Decimal = ZERO
    peak: Decimal = ZERO
    idle_after: list[Decimal] = field(default_factory=list)
    working: EnergySum = NOTHING

    def add(self, record: IntervalRecord) -> None:
        """Take in an interval."""
        self.rig = self.rig.plus(record.rig)
        for name, one in record.devices.items():
            self.devices[name] = self.devices.get(name, NOTHING).plus(one)
        for currency, cost in record.costs.items():
            self.costs[currency] = self.costs.get(currency, ZERO) + cost
        self.unpriced += record.unpriced
        self.peak = max(self.peak, record.rig.watts or ZERO)
        self.idle_after.extend(record.idle_after)
        if record.rig.shares:
            self.working = self.working.plus(record.rig)

    @property
    def sheddable(self) -> Decimal | None:
        """Return the mean watts while there was work."""
        return self.working.watts

    def cost_per_terahash(self, currency: str) -> Decimal | None:
        """Return what 10^12 hashes cost."""
        return self.costs[currency] / self.rig.terahashes if self.rig.terahashes else None

    def json(self, carbon: Decimal | None) -> dict[str, object]:
        """Return it as docs/energy.md describes it; ``carbon`` in g/kWh."""
        grams = {} if carbon is None else {"carbon_kg": float(carbon * self.rig.total / 10**6)}
        return {
            "name": self.name,
            **_sum_json(self.rig),
            "cost": {name: float(cost) for name, cost in self.costs.items()},
            "cost_per_terahash": {
                name: _float(self.cost_per_terahash(name)) for name in self.costs
            },
            "unpriced_kwh": float(self.unpriced / _KILO),
            "sheddable_watts": _float(self.sheddable),
            "peak_watts": float(self.peak),
            "idle_after_seconds": [float(wait) for wait in self.idle_after],
            **grams,
            "devices": {name: _sum_json(one) for name, one in sorted(self.devices.items())},
        }


def by_day(records: Iterable[IntervalRecord]) -> Sequence[Report]:
    """Return a report of each day, in order."""
    days: dict[date, Report] = {}
    for record in records:
        report = days.setdefault(record.day, Report(name=record.day.isoformat()))
        report.add(record)
    return [days[day] for day in sorted(days)]


def together(records: Iterable[IntervalRecord], name: str) -> Report:
    """Return one report of all."""
    report = Report(name=name)
    for record in records:
        report.add(record)
    return report


_HEADS = ("", "kWh", "MODELLED", "UNMETERED", "J/TH", "COST", "W SHEDDABLE", "IDLE AFTER")


def report_lines(reports: Sequence[Report], *, devices: bool, carbon: Decimal | None) -> list[str]:
    """Return a table, one line a report; with ``devices`` one for each device of the last."""
    rows: list[Sequence[str]] = [_HEADS, *(_row(report) for report in reports)]
    if devices and reports:
        rows += [_device_row(name, one) for name, one in sorted(reports[-1].devices.items())]
    lines = table(rows)
    if carbon is not None and reports:
        kilograms = carbon * reports[-1].rig.total / 10**6
        lines.append(f"{kilograms:.3f} kg CO2 at {carbon:g} g/kWh: {reports[-1].name}")
    return lines


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of as many cells each as lines; all but the first column end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(report: Report) -> tuple[str, ...]:
    costs = ", ".join(f"{cost:.2f} {currency}" for currency, cost in report.costs.items())
    if report.unpriced:
        costs = f"{costs or 'no price'}, {report.unpriced / _KILO:.3f} kWh without one"
    waits = f"{max(report.idle_after):.1f} s" if report.idle_after else "-"
    shed = f"{report.sheddable:.0f}" if report.sheddable is not None else "-"
    return (report.name, *_cells(report.rig), costs, shed, waits)


def _device_row(name: str, one: EnergySum) -> tuple[str, ...]:
    return (f"  {name}", *_cells(one), "", f"{one.watts:.0f}" if one.watts else "-", "")


def _cells(one: EnergySum) -> tuple[str, ...]:
    share = one.modelled / one.total if one.total else ZERO
    efficiency, error = one.joules_per_terahash, one.uncertainty
    unsure = f" ±{error:.0%}" if error else ""
    return (
        f"{one.total / _KILO:.3f}",
        f"{share:.0%}" if one.total else "-",
        f"{one.unmetered / 3600:.2f} h" if one.unmetered else "-",
        f"{plain(float(efficiency))}{unsure}" if efficiency is not None else "-",
    )


def _sum_json(one: EnergySum) -> Mapping[str, object]:
    return {
        "kwh": float(one.total / _KILO),
        "modelled_kwh": float(one.modelled / _KILO),
        "metered_seconds": float(one.metered),
        "unmetered_seconds": float(one.unmetered),
        "terahashes": float(one.terahashes),
        "shares": one.shares,
        "joules_per_terahash": _float(one.joules_per_terahash),
        "uncertainty_ratio": _float(one.uncertainty),
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
