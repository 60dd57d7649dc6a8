"""BM1366: Bitaxe Ultra and Hex, QAxe, PiAxe, Antminer S19 XP."""

from drivers.bm13xx.chip import (
    BaudRate,
    ChipSpec,
    Do,
    EachChip,
    FirstChip,
    FrequencyRange,
    NonceFields,
)
from drivers.bm13xx.frames import COMMANDS, ResponseLayout
from drivers.bm13xx.jobs import FullHeaderJob
from drivers.bm13xx.pll import FACTORY_PLL
from drivers.bm13xx.power_model import PowerModel

_CLOCK = ((0x3C, 0x80008540), (0x3C, 0x80008020))  # core registers 5: clock select, 0: delay
_CORES_ON = (0x3C, 0x800082AA)  # core register 2

BM1366 = ChipSpec(
    name="BM1366",
    chip_id=0x1366,
    # 112 cores of 8, of which 894 work. Source: ESP-Miner.
    cores=112,
    sub_cores=8,
    hashes_per_clock=894,
    commands=COMMANDS,
    # Source: eight captured nonces, hashed.
    responses=ResponseLayout(rolling_size=9, slot_mask=0xF8, sub_core_mask=0x07),
    jobs=FullHeaderJob(),
    slots=tuple(range(0x00, 0x80, 8)),
    # Source: nonces of Bitcoin block 839900 from chips C0 and C2 (ESP-Miner pull request 167).
    nonce=NonceFields(core_shift=25, address_shift=17, address_mask=0xFE),
    pll=FACTORY_PLL,
    # Default: Bitaxe Ultra; lower limit: after a reset; upper: as for the rest of the family.
    frequency=FrequencyRange(lowest=50.0, default=485.0, highest=800.0),
    # Source: ESP-Miner bm1366.c.
    bring_up=(
        *((0xA4, 0x9000FFFF),) * 3,  # version rolling on
        Do.COUNT_CHIPS,
        (0xA8, 0x00070000),  # soft reset control
        (0x18, 0xFF0FC100),  # misc control: nonces may leave the chip
        Do.FORGET_ADDRESSES,
        Do.SET_ADDRESSES,
        *_CLOCK,
        Do.SET_TICKET,
        (0x54, 0x00000003),  # analog mux
        (0x58, 0x02111111),  # pin drive strength
        FirstChip(((0x2C, 0x007C0003),)),  # UART relay
        EachChip(((0xA8, 0x000701F0), (0x18, 0xF000C100), *_CLOCK, _CORES_ON)),
        *(Do.RAMP, Do.SET_HASH_COUNT, Do.SET_VERSIONS, Do.SWITCH_BAUD),
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 15-8 of 28. Source: ESP-Miner.
    baud_rates=(BaudRate(rate=1_000_000, before=((0x28, 0x11300200),)),),
    baud_rate=1_000_000,
    hash_counter_register=0x8C,
    # Source: what ESP-Miner's self-test expects of a Bitaxe Ultra, less its 5 W.
    power=PowerModel(watts=7.0, fixed=0.0, mhz=485.0, volts=1.2),
)
