"""The Antminer U2 and U2+: a U1 made for higher frequencies.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-antminer.c.
"""

from drivers.icarus.frames import AntminerForm
from drivers.icarus.model import Model, UsbIdentity
from drivers.icarus.pll import Bm1380Clocks

ANTMINER_U2 = Model(
    name="antminer-u2",
    title="Antminer U2",
    chips="1 x BM1380",
    form=AntminerForm(),
    seconds_per_hash=1.25e-7,
    rate_follows_clock=True,
    identities=(
        UsbIdentity(vid=0x10C4, pid=0xEA60, words=("Antminer",), score=50),
        UsbIdentity(vid=0x10C4, pid=0xEA60, words=("Antminer", "U2"), score=60),
        UsbIdentity(vid=0x10C4, pid=0xEA60),
    ),
    clocks=Bm1380Clocks(),
    can_be_timed=False,
    wait=0.01,
    first_work=1.0,
    is_bus_powered=True,
)
