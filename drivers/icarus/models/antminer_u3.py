"""The Antminer U3: four BM1382 with a 12 V supply; USB carries data only.

It has the default strings of its CP2102, so it is never recognized by itself. Its works are timed
by cgminer's constant, which is higher than 4 x 63 cores give: they end early, never late.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-antminer.c and README.ASIC.
"""

from drivers.icarus.frames import AntminerForm
from drivers.icarus.model import Model, UsbIdentity, VoltageRange
from drivers.icarus.pll import Bm1382Clocks

ANTMINER_U3 = Model(
    name="antminer-u3",
    title="Antminer U3",
    chips="4 x BM1382",
    form=AntminerForm(),
    seconds_per_hash=3.2e-9,
    rate_follows_clock=True,
    hashes_per_clock=4 * 63,
    identities=(UsbIdentity(vid=0x10C4, pid=0xEA60),),
    clocks=Bm1382Clocks(),
    voltage=VoltageRange(lowest=0.725, default=0.775, highest=0.850),
    can_be_timed=False,
    wait=0.001,
    first_work=0.1,
)
