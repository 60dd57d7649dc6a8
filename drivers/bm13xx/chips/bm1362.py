"""BM1362: emberOne, Compac A1, Antminer S19j Pro."""

from drivers.bm13xx.chip import (
    BaudRate,
    ChipSpec,
    Do,
    EachChip,
    FrequencyRange,
    HashCount,
    NonceFields,
)
from drivers.bm13xx.frames import COMMANDS, ResponseLayout
from drivers.bm13xx.jobs import FullHeaderJob
from drivers.bm13xx.pll import FACTORY_PLL

_CLOCK = ((0x3C, 0x80008540), (0x3C, 0x80008008))  # core registers 5: clock select, 0: delay
_CORES_ON = (0x3C, 0x800082AA)  # core register 2

BM1362 = ChipSpec(
    name="BM1362",
    chip_id=0x1362,
    # 65 cores of 8, of which 514 work. Source: mujina; kanoi reckons with 512.
    cores=65,
    sub_cores=8,
    hashes_per_clock=514,
    commands=COMMANDS,
    # Source: a captured S19j Pro job and nonce, matched by hashing.
    responses=ResponseLayout(rolling_size=9, slot_mask=0xF8, sub_core_mask=0x07),
    jobs=FullHeaderJob(length=0x36),
    slots=tuple(range(0x00, 0x80, 8)),
    nonce=NonceFields(core_shift=25, address_shift=17, address_mask=0xFE),
    pll=FACTORY_PLL,
    # Default: S19j Pro; limits: kanoi, down to the frequency after a reset.
    frequency=FrequencyRange(lowest=50.0, default=525.0, highest=800.0),
    # Source: mujina, captures of an S19j Pro.
    bring_up=(
        (0xA4, 0x9000FFFF),  # version rolling on
        Do.COUNT_CHIPS,
        *((0xA4, 0x9000FFFF),) * 2,
        (0xA8, 0x00000000),  # soft reset off
        (0x18, 0xB000C100),  # misc control: nonces may leave the chip
        Do.FORGET_ADDRESSES,
        Do.SET_ADDRESSES,
        *_CLOCK,
        Do.SET_TICKET,
        (0x54, 0x00000003),  # analog mux
        (0x58, 0x00011111),  # pin drive strength
        *(Do.SWITCH_BAUD, Do.RAMP),
        EachChip(((0xA8, 0x00000002), (0x18, 0xB000C100), *_CLOCK, _CORES_ON)),
        *(Do.SET_HASH_COUNT, Do.SET_VERSIONS),
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 15-8 of 28. Source: ESP-Miner (1 M), S19j Pro (3.125 M).
    baud_rates=(
        BaudRate(rate=1_000_000, before=((0x28, 0x11300200),)),
        BaudRate(rate=3_125_000, before=((0x28, 0x11300000),)),
    ),
    baud_rate=3_125_000,
    hash_count=HashCount(part=0.8),  # gives the 1381 (hex) of an S19j Pro: 126 chips, 525 MHz
)
