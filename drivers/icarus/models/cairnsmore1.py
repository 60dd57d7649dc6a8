"""The Cairnsmore1: a port with two FPGAs behind it, an Icarus to its host.

Some of its bitstreams let their clock be set; no frequency is sent unless one is asked for.

Source: kanoi/cgminer, driver-icarus.c.
"""

from drivers.icarus.frames import IcarusForm
from drivers.icarus.model import Model, UsbIdentity
from drivers.icarus.pll import CairnsmoreClocks

CAIRNSMORE1 = Model(
    name="cairnsmore1",
    title="Cairnsmore1 FPGA",
    chips="2 FPGAs",
    form=IcarusForm(),
    seconds_per_hash=2.7e-9,
    identities=(
        UsbIdentity(vid=0x0403, pid=0x6014, words=("Cairnsmore1",), score=60),
        UsbIdentity(vid=0x0403, pid=0x8350, words=("Cairnsmore1",), score=60),
        UsbIdentity(vid=0x0403, pid=0x6014),
        UsbIdentity(vid=0x0403, pid=0x8350),
    ),
    baud_rates=(115200, 57600),
    clocks=CairnsmoreClocks(),
    divisions=(1, 2, 4, 8),
    work_division=2,
    stops_after_nonce=True,
    can_flash=True,
)
