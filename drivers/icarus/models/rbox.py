"""The Rockminer R-Box: four chips, each of which asks for its tasks.

What a chip hashes per clock is assumed, from the maker's 34 GH/s; the limit of its temperature is
ours.

Source: kanoi/cgminer, driver-icarus.c (rock_*).
"""

from drivers.icarus.frames import RockminerForm
from drivers.icarus.model import Model, UsbIdentity
from drivers.icarus.pll import RockminerClocks

_HASHES_PER_CLOCK = 4 * 32

RBOX = Model(
    name="rbox",
    title="Rockminer R-Box",
    chips="4 chips",
    form=RockminerForm(lanes=4),
    seconds_per_hash=1e-6 / _HASHES_PER_CLOCK,
    rate_follows_clock=True,
    hashes_per_clock=_HASHES_PER_CLOCK,
    identities=(UsbIdentity(vid=0x10C4, pid=0xEA60),),
    clocks=RockminerClocks(),
    can_be_timed=False,
    lanes=4,
    task_seconds=1.0,
    corrections=(0, 1, -1, -2, -4),
    most_degrees=90.0,
)
