"""Random faults on emulated devices, from a seed: something every moment, healed now and then."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random

from tests.e2e.device_rig import PluggedDevice

BYTE_FAULTS = ("drop", "flip", "insert")
NONCE_FAULTS = ("wrong_nonce", "bad_crc", "duplicate", "late")
LONGEST_UNPLUG = 3.0
HOT, MILD = 110.0, 25.0
"""Degrees of the air: with HOT a board must trip, with MILD it cools down."""


class DeviceChaos:
    """Does something to one of ``devices`` every ``pause`` seconds on average.

    ``patient`` chaos, for long runs, also does what takes a device long to get over: chips that
    forget everything, or are set up by a noisy line, are reset after three shorter steps, and heat
    trips a board for half a minute. ``seen`` counts what was done.
    """

    def __init__(
        self, devices: Sequence[PluggedDevice], random: Random, *, pause: float, patient: bool
    ) -> None:
        self.seen: Counter[str] = Counter()
        self._devices = devices
        self._random = random
        self._pause = pause
        self._patient = patient
        self._acts = {
            "noise": self._noise,
            "bad nonces": self._bad_nonces,
            "mute": self._mute,
            "unplug": self._unplug,
            "slow control": self._slow_control,
            "calm": self._calm,
            "voice": self._voice,
        }
        self._weights = [4, 4, 2, 2, 1, 4, 4]
        if patient:
            self._acts |= {"brown-out": self._brown_out, "hot": self._hot, "cool": self._cool}
            self._weights += [1, 1, 4]

    async def run(self) -> None:
        """Go on until cancelled; what is unplugged is put back within seconds even so."""
        try:
            while True:
                await asyncio.sleep(self._random.expovariate(1 / self._pause))
                [what] = self._random.choices(list(self._acts), self._weights)
                self.seen[what] += 1
                self._acts[what](self._random.choice(self._devices))
        finally:
            self.heal()

    def heal(self) -> None:
        """Let everything be as it should be."""
        for device in self._devices:
            self._calm(device)
            self._voice(device)
            self._cool(device)
            self._replug(device)

    def _noise(self, device: PluggedDevice) -> None:
        if not (self._patient or device.is_mining):
            return
        device.suffer(**{name: self._random.uniform(0.0, 0.01) for name in BYTE_FAULTS})

    def _bad_nonces(self, device: PluggedDevice) -> None:
        device.suffer(**{name: self._random.uniform(0.0, 0.3) for name in NONCE_FAULTS})

    def _calm(self, device: PluggedDevice) -> None:
        device.suffer(**dict.fromkeys((*BYTE_FAULTS, *NONCE_FAULTS, "nack", "slow_control"), 0.0))

    def _mute(self, device: PluggedDevice) -> None:
        if not (self._patient or device.is_mining):
            return
        chips = range(device.plug.count)
        device.suffer(mute=tuple(self._random.sample(chips, self._random.randint(1, len(chips)))))

    def _voice(self, device: PluggedDevice) -> None:
        device.suffer(mute=())

    def _brown_out(self, device: PluggedDevice) -> None:
        for chip in device.emulated.chain.chips:
            chip.reset()

    def _unplug(self, device: PluggedDevice) -> None:
        if not self._patient:
            self._calm(device)
            self._voice(device)
        device.suffer(unplug_after=0.0)
        back_in = self._random.uniform(0.05, LONGEST_UNPLUG)
        asyncio.get_running_loop().call_later(back_in, self._replug, device)

    def _replug(self, device: PluggedDevice) -> None:
        device.suffer(unplug_after=None)
        device.supervised.retry_at_once()

    def _slow_control(self, device: PluggedDevice) -> None:
        device.suffer(slow_control=self._random.uniform(0.0, 0.4), nack=0.02)

    def _hot(self, device: PluggedDevice) -> None:
        if board := device.emulated.board:
            board.heat.ambient = HOT

    def _cool(self, device: PluggedDevice) -> None:
        if board := device.emulated.board:
            board.heat.ambient = MILD
