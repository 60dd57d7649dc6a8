"""The Block Erupter USB: one BE100 at a fixed frequency behind a CP2102.

Source: kanoi/cgminer and luke-jr/bfgminer, driver-icarus.c and driver-erupter.c.
"""

from drivers.icarus.frames import IcarusForm
from drivers.icarus.model import Model, UsbIdentity

BLOCK_ERUPTER = Model(
    name="block-erupter",
    title="Block Erupter USB",
    chips="1 x BE100",
    form=IcarusForm(),
    seconds_per_hash=2.9761e-9,
    fixed_mhz=336.0,
    identities=(
        UsbIdentity(vid=0x10C4, pid=0xEA60, words=("Block", "Erupter"), score=50),
        UsbIdentity(vid=0x10C4, pid=0xEA60),
    ),
    divisions=(1, 2, 4, 8),
)
