"""What hashes cost and earn, and where both are the same; pure, money is Decimal.

With E J/TH, a price p of a kWh and a hash price h (what 1 TH/s earns in a day): in a day 1 TH/s
takes 24 x E / 1000 kWh, so p = 1000 x h / (24 x E) is where it earns nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from stratum_client.control.energy_records import EnergySum

_HOURS = Decimal(24)
_KILO = Decimal(1000)


def break_even_price(hashprice: Decimal, joules_per_terahash: Decimal) -> Decimal:
    """Return the price of a kWh above which mining loses."""
    return _KILO * hashprice / (_HOURS * joules_per_terahash)


def break_even_hashprice(price: Decimal, joules_per_terahash: Decimal) -> Decimal:
    """Return the hash price below which mining loses."""
    return price * _HOURS * joules_per_terahash / _KILO


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """One device, or the rig, as it was lately, over ``hours`` a day; None where a part is unknown.

    ``price`` is of a kWh, ``hashprice`` of 1 TH/s for a day, both in the same currency.
    """

    name: str
    lately: EnergySum
    hours: Decimal = _HOURS
    price: Decimal | None = None
    hashprice: Decimal | None = None

    @property
    def terahashes_per_second(self) -> Decimal | None:
        """Return the proven hash rate in TH/s while it was metered."""
        lately = self.lately
        return lately.terahashes / lately.metered if lately.metered else None

    @property
    def cost(self) -> Decimal | None:
        """Return the cost of power in a day."""
        watts = self.lately.watts
        return None if watts is None or self.price is None else self._of_day(watts) * self.price

    @property
    def revenue(self) -> Decimal | None:
        """Return what a day earns."""
        rate = self.terahashes_per_second
        if rate is None or self.hashprice is None:
            return None
        return rate * self.hashprice * self.hours / _HOURS

    @property
    def profit(self) -> Decimal | None:
        """Return what a day leaves."""
        cost, revenue = self.cost, self.revenue
        return None if cost is None or revenue is None else revenue - cost

    @property
    def break_even_price(self) -> Decimal | None:
        """Return the price of a kWh above which it loses."""
        efficiency = self.lately.joules_per_terahash
        if not efficiency or self.hashprice is None:
            return None
        return break_even_price(self.hashprice, efficiency)

    @property
    def break_even_hashprice(self) -> Decimal | None:
        """Return the hash price below which it loses."""
        efficiency = self.lately.joules_per_terahash
        if efficiency is None or self.price is None:
            return None
        return break_even_hashprice(self.price, efficiency)

    def json(self) -> Mapping[str, object]:
        """Return it as docs/energy.md describes it."""
        lately = self.lately
        numbers = {
            "watts": lately.watts,
            "terahashes_per_second": self.terahashes_per_second,
            "joules_per_terahash": lately.joules_per_terahash,
            "uncertainty_ratio": lately.uncertainty,
            "cost_per_day": self.cost,
            "revenue_per_day": self.revenue,
            "profit_per_day": self.profit,
            "break_even_price": self.break_even_price,
            "break_even_hashprice": self.break_even_hashprice,
        }
        return {
            "name": self.name,
            **{key: None if value is None else float(value) for key, value in numbers.items()},
        }

    def _of_day(self, watts: Decimal) -> Decimal:
        """Return the kWh of a day."""
        return watts * self.hours / _KILO
