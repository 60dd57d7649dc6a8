"""BM1370: Bitaxe Gamma, Duo and Turbo, Compac A2, Antminer S21 Pro."""

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
from drivers.bm13xx.pll import ESP_MINER_PLL
from drivers.bm13xx.power_model import PowerModel

_CLOCK = ((0x3C, 0x80008B00), (0x3C, 0x8000800C))  # core registers 0B: clock select, 0: delay

BM1370 = ChipSpec(
    name="BM1370",
    chip_id=0x1370,
    # 128 cores of 16, of which 2040 work. Source: ESP-Miner.
    cores=128,
    sub_cores=16,
    hashes_per_clock=2040,
    commands=COMMANDS,
    # The job byte comes back shifted left by one. Source: mujina test_data.rs, hashed.
    responses=ResponseLayout(rolling_size=9, slot_mask=0xF0, slot_shift=1, sub_core_mask=0x0F),
    jobs=FullHeaderJob(),
    slots=tuple(24 * number % 128 for number in range(1, 17)),
    # Source: the offsets of an S21 Pro.
    nonce=NonceFields(core_shift=25, address_shift=17, offset_shift=9),
    nonce_offset_register=0x0C,
    pll=ESP_MINER_PLL,
    # Default: Bitaxe Gamma; limits: kanoi, down to the frequency after a reset.
    frequency=FrequencyRange(lowest=50.0, default=525.0, highest=800.0),
    # (register, value), in order. Source: ESP-Miner bm1370.c, captures of an S21 Pro.
    bring_up=(
        *((0xA4, 0x9000FFFF),) * 3,  # version rolling on
        Do.COUNT_CHIPS,
        *((0xA4, 0x9000FFFF), (0xA8, 0x00070000), (0x18, 0xF000C100)),  # nonces may leave
        *(Do.FORGET_ADDRESSES, Do.SET_ADDRESSES),
        *_CLOCK,
        *(Do.SET_TICKET, (0x58, 0x00011111)),  # pin drive strength
        EachChip(((0xA8, 0x000701F0), (0x18, 0xF000C100), *_CLOCK, (0x3C, 0x800082AA))),
        *((0xB9, 0x00004480), (0x54, 0x00000002), (0xB9, 0x00004480)),  # temperature diode
        (0x3C, 0x80008DEE),  # core register 0D: nonce overflow
        *(Do.RAMP, Do.SET_HASH_COUNT, Do.SWITCH_BAUD, Do.SET_VERSIONS),
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 15-8 of 28. Source: ESP-Miner.
    baud_rates=(BaudRate(rate=1_000_000, before=((0x28, 0x11300200),)),),
    baud_rate=1_000_000,
    hash_count=HashCount(margin=268),  # Source: ESP-Miner
    hash_counter_register=0x8C,
    # Source: what ESP-Miner's self-test expects of a Bitaxe Gamma, less its 5 W.
    power=PowerModel(watts=14.0, fixed=0.0, mhz=525.0, volts=1.15),
)
