"""The emulated Icarus-class devices by name, as data of their own: drivers are not looked at.

Source: kanoi/cgminer, driver-icarus.c (hash times, frequencies, what a Rockminer says);
luke-jr/bfgminer, driver-icarus.c and driver-erupter.c (who stops after a nonce). What a Rockminer's
chip hashes per clock is assumed.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from drivers.errors import SettingError

COMFORTABLE_RATE = 2.0**17
"""Hashes per second that an emulated device does unless told otherwise."""


class Talk(Enum):
    """What a device says and listens to."""

    ICARUS = "bare nonces"
    ANTMINER = "nonces with a tag, commands of 4 bytes"
    ROCKMINER = "asks for tasks"
    CAIRNSMORE = "bare nonces, commands in packets"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedModel:
    """One device: ``rate`` in hashes per second, at one MHz if it has a clock.

    ``clock_unit`` is what its PLL multiplies, ``most_mhz`` where it begins to err, ``parts`` how
    many equal ranges of nonces are searched side by side.
    """

    name: str
    talk: Talk = Talk.ICARUS
    rate: float
    mhz: float | None = None
    clock_unit: float = 0.0
    most_mhz: float = 1e9
    parts: int = 1
    stops_after_nonce: bool = False
    lanes: int = 1

    def rate_at(self, mhz: float | None) -> float:
        """Return the hashes per second of the whole device."""
        return self.rate * (mhz if self.mhz is not None and mhz is not None else 1.0)

    @property
    def usual_scale(self) -> float:
        """Return the scale at which it costs little."""
        return min(1.0, COMFORTABLE_RATE / self.rate_at(self.mhz))

    def usual_ticket(self, scale: float) -> float:
        """Return a difficulty at which nonces come often enough to look at, at most ``scale``."""
        wanted = 0.5 if self.stops_after_nonce else 2.0
        return scale * min(1.0, self.rate_at(self.mhz) / (wanted * 2**32))


_MODELS = (
    EmulatedModel(name="block-erupter", rate=1 / 2.9761e-9),
    EmulatedModel(
        name="antminer-u1",
        talk=Talk.ANTMINER,
        rate=8e6,
        mhz=200.0,
        clock_unit=25.0,
        most_mhz=275.0,
    ),
    EmulatedModel(
        name="antminer-u2",
        talk=Talk.ANTMINER,
        rate=8e6,
        mhz=200.0,
        clock_unit=25.0,
        most_mhz=275.0,
    ),
    EmulatedModel(
        name="antminer-u3",
        talk=Talk.ANTMINER,
        rate=252e6,
        mhz=225.0,
        clock_unit=50.0,
        most_mhz=250.0,
    ),
    EmulatedModel(name="rbox", talk=Talk.ROCKMINER, rate=128e6, mhz=270.0, most_mhz=400.0, lanes=4),
    EmulatedModel(name="icarus", rate=1 / 2.6316e-9, parts=2, stops_after_nonce=True),
    EmulatedModel(name="lancelot", rate=1 / 2.5e-9, parts=2, stops_after_nonce=True),
    EmulatedModel(
        name="cairnsmore1",
        talk=Talk.CAIRNSMORE,
        rate=1 / 2.7e-9,
        parts=2,
        stops_after_nonce=True,
    ),
)

EMULATED_MODELS: Mapping[str, EmulatedModel] = MappingProxyType(
    {model.name: model for model in _MODELS}
)


def emulated_model(name: str) -> EmulatedModel:
    """Return the model called ``name``; raise SettingError."""
    if name not in EMULATED_MODELS:
        close = difflib.get_close_matches(name, EMULATED_MODELS, n=1)
        hint = f"; did you mean {close[0]}" if close else ""
        problem = f"no such device{hint}; known: {', '.join(EMULATED_MODELS)}"
        raise SettingError("emulated", name, problem)
    return EMULATED_MODELS[name]
