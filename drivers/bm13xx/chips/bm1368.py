"""BM1368: Bitaxe Supra, SupraHex, QAxe+, Antminer S21."""

from drivers.bm13xx.chip import (
    BaudRate,
    ChipSpec,
    Do,
    EachChip,
    FrequencyRange,
    NonceFields,
    Pause,
)
from drivers.bm13xx.frames import COMMANDS, ResponseLayout
from drivers.bm13xx.jobs import FullHeaderJob
from drivers.bm13xx.pll import ESP_MINER_PLL
from drivers.bm13xx.power_model import PowerModel

_CLOCK = ((0x3C, 0x80008B00), (0x3C, 0x80008018))  # core registers 0B: clock select, 0: delay
_CORES_ON = (0x3C, 0x800082AA)  # core register 2

BM1368 = ChipSpec(
    name="BM1368",
    chip_id=0x1368,
    # 80 cores of 16, of which 1276 work. Source: ESP-Miner.
    cores=80,
    sub_cores=16,
    hashes_per_clock=1276,
    commands=COMMANDS,
    # The job byte comes back shifted left by one. Source: ESP-Miner issue 271, hashed.
    responses=ResponseLayout(rolling_size=9, slot_mask=0xF0, slot_shift=1, sub_core_mask=0x0F),
    jobs=FullHeaderJob(),
    slots=tuple(24 * number % 128 for number in range(1, 17)),
    nonce=NonceFields(core_shift=25, address_shift=17),
    pll=ESP_MINER_PLL,
    # Default: Bitaxe Supra; lower limit: after a reset; upper: as for the rest of the family.
    frequency=FrequencyRange(lowest=50.0, default=490.0, highest=800.0),
    # Source: ESP-Miner bm1368.c.
    bring_up=(
        *((0xA4, 0x9000FFFF),) * 4,  # version rolling on
        Do.COUNT_CHIPS,
        Do.FORGET_ADDRESSES,
        (0xA8, 0x00070000),  # soft reset control
        (0x18, 0xFF0FC100),  # misc control: nonces may leave the chip
        *_CLOCK,
        Do.SET_TICKET,
        (0x54, 0x00000003),  # analog mux
        (0x58, 0x02111111),  # pin drive strength
        Do.SET_ADDRESSES,
        EachChip(((0xA8, 0x000701F0), (0x18, 0xF000C100), *_CLOCK, _CORES_ON)),
        Pause(0.5),
        Do.SET_TICKET,
        *(Do.RAMP, Do.SET_HASH_COUNT, Do.SET_VERSIONS, Do.SWITCH_BAUD),
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 15-8 of 28. Source: ESP-Miner.
    baud_rates=(BaudRate(rate=1_000_000, before=((0x28, 0x11300200),)),),
    baud_rate=1_000_000,
    hash_counter_register=0x8C,
    # Source: what ESP-Miner's self-test expects of a Bitaxe Supra, less its 5 W.
    power=PowerModel(watts=7.0, fixed=0.0, mhz=490.0, volts=1.166),
)
