"""The Lancelot: two FPGAs behind an FT232R, an Icarus to its host.

Its ids, and often its strings, are those of any FT232R cable.

Source: kanoi/cgminer, driver-icarus.c.
"""

from drivers.icarus.frames import IcarusForm
from drivers.icarus.model import Model, UsbIdentity

LANCELOT = Model(
    name="lancelot",
    title="Lancelot FPGA",
    chips="2 FPGAs",
    form=IcarusForm(),
    seconds_per_hash=2.5e-9,
    identities=(UsbIdentity(vid=0x0403, pid=0x6001),),
    divisions=(1, 2, 4, 8),
    work_division=2,
    stops_after_nonce=True,
)
