"""The settings of what watches a device's supply and its yield; the same for each family."""

from drivers.brown_out import LONGEST_RETRY, SupplySettings
from drivers.low_yield import YieldSettings
from drivers.settings_reader import SettingsReader

SUPPLY = (
    "brown_out",
    "brown_out_window",
    "brown_out_losses",
    "brown_out_step",
    "brown_out_retry",
)
YIELD_STEP = "low_yield_step"
YIELD = ("low_yield", "low_yield_window", YIELD_STEP)

_STEPS = 6.25, 200.0, "MHz"


def supply_settings(
    reader: SettingsReader, *, is_bus_powered: bool, floor: float
) -> SupplySettings:
    """Return what is done about brown-outs; by itself something where USB feeds the chips.

    ``floor``: MHz below which nothing goes. Raises SettingError.
    """
    usual = SupplySettings()
    return SupplySettings(
        is_on=reader.switch("brown_out", default=is_bus_powered),
        window=reader.number("brown_out_window", 0.1, 600.0, "s", default=usual.window),
        losses=reader.whole("brown_out_losses", 2, 20, default=usual.losses),
        step=reader.number("brown_out_step", *_STEPS, default=usual.step),
        retry=reader.number("brown_out_retry", 1.0, LONGEST_RETRY, "s", default=usual.retry),
        floor=floor,
    )


def yield_settings(reader: SettingsReader, *, scale: float, floor: float) -> YieldSettings:
    """Return what is done about a device that finds too little; by itself something if it is real.

    An emulated one, whose ``scale`` is not 1, is as slow as the machine that hashes for it.
    ``floor``: MHz below which nothing goes. Raises SettingError.
    """
    usual = YieldSettings()
    return YieldSettings(
        is_on=reader.switch("low_yield", default=scale == 1),
        window=reader.number("low_yield_window", 1.0, 86_400.0, "s", default=usual.window),
        step=reader.number(YIELD_STEP, *_STEPS, default=usual.step),
        floor=floor,
    )
