"""From a mode of the schedule to claims on devices; pure.

A share of full speed becomes a ceiling in MHz of each device, from the highest frequency it has
been seen at. A power is shared out equally. A device that cannot keep its part is told of by a
claim that limits nothing but says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stratum_client.control.claims import FREE, IDLE, Claim, Level, Limit
from stratum_client.control.modes import Mode

ISSUER = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What is known of a device: the highest MHz it ran at, whether it knows its watts.

    None while it has not run yet. ``is_known`` is false until it has.
    """

    name: str
    full_mhz: float | None = None
    has_watts: bool = False
    is_known: bool = False


def window_claims(
    mode: Mode, sentence: str, since: float, devices: Sequence[Ability]
) -> tuple[Claim, ...]:
    """Return what to state while ``mode`` holds; nothing where it limits nothing."""
    if not mode.run:
        return (_claim("", IDLE, sentence, since),)
    if mode.share is None and mode.watts is None:
        return ()
    watts = mode.watts / len(devices) if mode.watts is not None and devices else None
    return tuple(
        _claim(
            device.name,
            Limit(mhz=_mhz(mode, device), watts=watts) if _any(mode, device) else FREE,
            "; ".join((f"{sentence}: {mode}", *_shortcomings(mode, device))),
            since,
        )
        for device in devices
    )


def _any(mode: Mode, device: Ability) -> bool:
    return mode.watts is not None or _mhz(mode, device) is not None


def _mhz(mode: Mode, device: Ability) -> float | None:
    if mode.share is None or device.full_mhz is None:
        return None
    return mode.share * device.full_mhz


def _shortcomings(mode: Mode, device: Ability) -> Iterator[str]:
    if not device.is_known:
        return
    if mode.share is not None and device.full_mhz is None:
        yield f"{device.name} has no frequency to lower and runs at full speed"
    if mode.watts is not None and not device.has_watts:
        yield f"{device.name} does not know its watts and keeps no limit"


def _claim(device: str, limit: Limit, cause: str, since: float) -> Claim:
    return Claim(
        level=Level.WINDOW, issuer=ISSUER, device=device, limit=limit, cause=cause, since=since
    )
