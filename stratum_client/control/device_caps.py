"""Caps of single devices that are measured by a plug of their own; pure.

A device keeps a limit by its own meter or model. Where it has no meter, its plug shows what the
model comes to, and the limit it is told is corrected by that, as `Cap` does for a whole rig.
"""

from dataclasses import dataclass, field

from stratum_client.control.cap import Cap
from stratum_client.control.meter import HIGHEST, DeviceWatts, Look
from stratum_client.control.power import Reading, RigPower, Source


@dataclass(slots=True)
class DeviceCaps:
    """Remembers by name how devices and their plugs went together."""

    _caps: dict[str, Cap] = field(default_factory=dict)

    def told(
        self, device: DeviceWatts, limit: float, reading: Reading | None, power: RigPower
    ) -> float:
        """Return the watts to tell a device that it takes ``limit`` at the most.

        ``reading`` is what is believed of it, ``power`` the look that says so.
        """
        is_metered = reading is not None and reading.source is Source.PLUG
        cap = self._caps.setdefault(device.name, Cap()) if is_metered else None
        cap = cap or self._caps.get(device.name)
        if cap is None or reading is None or reading.source is Source.DRIVER:
            return limit
        modelled = device.modelled
        if modelled is None or not 0 <= modelled <= HIGHEST:  # no driver is believed
            modelled = reading.watts
        cap.seen(
            Look(
                power=RigPower(wall=power.wall, at=power.at, total=reading),
                told=modelled,
                resting=0.0 if device.is_mining else modelled,
                is_measured=is_metered,
            )
        )
        return cap.budget(limit)
