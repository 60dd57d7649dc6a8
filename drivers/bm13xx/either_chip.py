"""A device whose chips may be of one of several models: which, the chips say themselves."""

from collections.abc import Callable, Mapping, Sequence

from drivers.api import DeviceStats, Log, OperatingPoint, Setpoint
from drivers.bm13xx.bring_up import WrongChipError
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.device import Bm13xxDevice

MakeDevice = Callable[[ChipSpec], Bm13xxDevice]
"""Makes the device for a model, on the same board and ports each time."""


class EitherChipDevice:
    """Runs the device for the first of ``chips``, or for the one that answers instead."""

    def __init__(self, chips: Sequence[ChipSpec], make: MakeDevice, log: Log) -> None:
        self._chips = {chip.chip_id: chip for chip in chips}
        self._make = make
        self._log = log
        self._setpoint: Setpoint | None = None
        self._device = make(chips[0])

    @property
    def current(self) -> Bm13xxDevice:
        """Return the device for the chips as far as they are known."""
        return self._device

    async def run(self) -> None:
        """Run as `Bm13xxDevice.run`; start again at once when the chips turn out to be others."""
        try:
            await self._device.run()
        except WrongChipError as error:
            known = [self._chips[number] for number in error.found if number in self._chips]
            if len(error.found) > 1 or not known:
                raise
            self._log.info("chip.recognized", chip=known[0].name, expected=error.expected)
            self._device = self._make(known[0])
            if self._setpoint:
                self._device.apply(self._setpoint)
            await self._device.run()

    def job_changed(self, *, clean: bool) -> None:
        """Send new work in this very call."""
        self._device.job_changed(clean=clean)

    def apply(self, setpoint: Setpoint) -> None:
        """Remember what the device should do."""
        self._setpoint = setpoint
        self._device.apply(setpoint)

    def adjust(self, settings: Mapping[str, object]) -> None:
        """Take new settings; raise SettingError."""
        self._device.adjust(settings)

    def operating_points(self) -> Sequence[OperatingPoint]:
        """Return every speed it can be held at."""
        return self._device.operating_points()

    def stats(self) -> DeviceStats:
        """Return a snapshot."""
        return self._device.stats()
