"""The Antminer U1: one BM1380 behind a CP2102. Its USB strings are those of a U2.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-antminer.c.
"""

from drivers.icarus.frames import AntminerForm
from drivers.icarus.model import Model, UsbIdentity
from drivers.icarus.pll import Bm1380Clocks

ANTMINER_U1 = Model(
    name="antminer-u1",
    title="Antminer U1",
    chips="1 x BM1380",
    form=AntminerForm(),
    seconds_per_hash=1.25e-7,
    rate_follows_clock=True,
    identities=(
        UsbIdentity(vid=0x10C4, pid=0xEA60, words=("Antminer",), score=50),
        UsbIdentity(vid=0x10C4, pid=0xEA60, words=("Antminer", "U1"), score=60),
        UsbIdentity(vid=0x10C4, pid=0xEA60),
    ),
    clocks=Bm1380Clocks(),
    can_be_timed=False,
    wait=0.01,
    first_work=1.0,
    is_bus_powered=True,
)
