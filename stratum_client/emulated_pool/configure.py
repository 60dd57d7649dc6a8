"""Answers to `mining.configure`.

Source: BIP 310; the pools' deviations are in their profiles.
"""

from dataclasses import dataclass

from stratum_client.emulated_pool.profiles import Handshake
from stratum_client.emulated_pool.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What was agreed, and how to say so.

    ``mask`` None means no version rolling; ``minimum_difficulty`` None means not asked for.
    ``broken`` replies end in text that is not JSON, as one pool's do.
    """

    result: dict[str, Json]
    mask: int | None = None
    minimum_difficulty: float | None = None
    subscribes_extranonce: bool = False
    broken: bool = False


def configured(params: list[Json], handshake: Handshake, *, mask: int) -> Configured | None:
    """Return the outcome for the request's ``params``; None when they make no sense.

    ``mask`` is the pool's own; 0 means that it refuses version rolling.
    """
    names, options = (*params, None, None)[:2]
    options = {} if options is None else options
    if not isinstance(names, list) or not isinstance(options, dict):
        return None
    asked = [name for name in names if isinstance(name, str)]
    result: dict[str, Json] = {}
    granted = None
    if "version-rolling" in asked or handshake.grants_full_mask:
        granted = _granted_mask(options, handshake, mask)
        result |= _mask_members(granted)
    for name in asked:
        if name != "version-rolling":
            result |= _extension_member(name, options, handshake)
    return Configured(
        result=result,
        mask=granted,
        minimum_difficulty=_minimum(options) if result.get("minimum-difficulty") is True else None,
        subscribes_extranonce=result.get("subscribe-extranonce") is True,
        broken=handshake.breaks_without_version_rolling and "version-rolling" not in asked,
    )


def _granted_mask(options: dict[str, Json], handshake: Handshake, mask: int) -> int | None:
    if handshake.grants_full_mask:
        return mask or None
    try:
        wanted = int(str(options.get("version-rolling.mask", "ffffffff")), 16)
    except ValueError:
        return None
    return wanted & mask or None


def _mask_members(granted: int | None) -> dict[str, Json]:
    if granted is None:
        return {"version-rolling": False}
    return {"version-rolling": True, "version-rolling.mask": f"{granted:08x}"}


def _extension_member(name: str, options: dict[str, Json], handshake: Handshake) -> dict[str, Json]:
    if name not in handshake.extensions:
        return {name: False} if handshake.unknown_extensions == "false" else {}
    answer = handshake.extensions[name]
    if name == "minimum-difficulty" and answer:
        minimum = _minimum(options)
        fraction = minimum is not None and minimum != int(minimum)
        if minimum is None or (fraction and handshake.whole_minimum_only):
            return {name: "invalid minimum-difficulty.value"}
    return {name: answer}


def _minimum(options: dict[str, Json]) -> float | None:
    value = options.get("minimum-difficulty.value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 2.0**128 else None
