"""The Icarus, revision 3: two FPGAs behind a PL2303, each with half of the nonces.

Its ids are those of any PL2303 cable, so it is never recognized by itself.

Source: kanoi/cgminer and luke-jr/bfgminer, driver-icarus.c.
"""

from drivers.icarus.frames import IcarusForm
from drivers.icarus.model import Model, UsbIdentity

ICARUS = Model(
    name="icarus",
    title="Icarus FPGA",
    chips="2 FPGAs",
    form=IcarusForm(),
    seconds_per_hash=2.6316e-9,
    identities=(UsbIdentity(vid=0x067B, pid=0x2303), UsbIdentity(vid=0x067B, pid=0x0230)),
    baud_rates=(115200, 57600),
    divisions=(1, 2, 4, 8),
    work_division=2,
    stops_after_nonce=True,
)
