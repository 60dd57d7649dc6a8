"""BM1387: NewPac, R606, Antminer S9. No preamble; the host rolls versions."""

from drivers.bm13xx.chip import BaudRate, ChipSpec, Do, FrequencyRange, NonceFields, OpenCores
from drivers.bm13xx.frames import BARE_COMMANDS, ResponseLayout
from drivers.bm13xx.jobs import MidstateJob, bare_open_core_job
from drivers.bm13xx.pll import BandedPll

# Everything here from kanoi cgminer driver-gekko.c, but where another source is named.
BM1387 = ChipSpec(
    name="BM1387",
    chip_id=0x1387,
    cores=114,
    sub_cores=1,
    hashes_per_clock=114,
    commands=BARE_COMMANDS,
    # The id comes back with the number of the midstate added: steps of 4 keep them apart.
    responses=ResponseLayout(preamble=b"", slot_mask=0xFC, midstate_mask=0x03),
    jobs=MidstateJob(preamble=b""),
    slots=tuple(range(0x10, 0x80, 4)),
    nonce=NonceFields(core_shift=None, address_shift=24),
    even_addresses=False,
    pll=BandedPll(),
    # Default: NewPac.
    frequency=FrequencyRange(
        lowest=50.0, default=100.0, highest=900.0, ramp_from=93.75, ramp_pause=1.0
    ),
    bring_up=(
        Do.COUNT_CHIPS,
        *(Do.FORGET_ADDRESSES,) * 3,
        Do.SET_ADDRESSES,
        Do.SWITCH_BAUD,
        OpenCores(jobs=115, encode=bare_open_core_job),
        Do.RAMP,
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 15-8 of 1C; then the gate block, with 80 added to d.
    baud_rates=(
        BaudRate(rate=115_200, after=((0x1C, 0x40209A80),)),
        BaudRate(rate=1_500_000, before=((0x1C, 0x00200100),), after=((0x1C, 0x40208180),)),
    ),
    baud_rate=1_500_000,
    ticket_register=None,
    ticket_limit=1,
    version_register=None,
    hash_count=None,
    work_part=0.75,
)
