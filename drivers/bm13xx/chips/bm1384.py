"""BM1384: Compac, 2Pac, Terminus, Antminer S5. No preamble, no checksum on jobs and nonces."""

from drivers.bm13xx.bm1384 import Bm1384Commands, Bm1384Job, Bm1384Pll, bm1384_open_core_job
from drivers.bm13xx.chip import ChipSpec, Do, FrequencyRange, NonceFields, OpenCores
from drivers.bm13xx.frames import ResponseLayout

# Everything here from kanoi cgminer driver-gekko.c.
BM1384 = ChipSpec(
    name="BM1384",
    chip_id=0x1384,
    cores=55,
    sub_cores=1,
    hashes_per_clock=55,
    commands=Bm1384Commands(),
    responses=ResponseLayout(preamble=b"", size=5, slot_at=4, slot_mask=0x1F, nonce_has_crc=False),
    jobs=Bm1384Job(),
    slots=tuple(range(0x10, 0x20)),
    nonce=NonceFields(core_shift=None, address_shift=24),
    even_addresses=False,
    pll=Bm1384Pll(),
    # Default: Compac.
    frequency=FrequencyRange(
        lowest=6.25, default=150.0, highest=500.0, ramp_from=93.75, ramp_pause=1.0
    ),
    bring_up=(
        Do.COUNT_CHIPS,
        Do.FORGET_ADDRESSES,
        Do.SET_ADDRESSES,
        OpenCores(jobs=56, encode=bm1384_open_core_job),
        Do.RAMP,
    ),
    ticket_register=None,
    ticket_limit=256,
    version_register=None,
    hash_count=None,
    work_part=0.75,
)
