"""BM1397: Bitaxe Max, Compac F, R909, Antminer S17."""

from drivers.bm13xx.chip import BaudRate, ChipSpec, Do, FrequencyRange, NonceFields
from drivers.bm13xx.frames import COMMANDS, ResponseLayout
from drivers.bm13xx.jobs import MidstateJob
from drivers.bm13xx.pll import POST2_BELOW_POST1, SearchedPll
from drivers.bm13xx.power_model import PowerModel

BM1397 = ChipSpec(
    name="BM1397",
    chip_id=0x1397,
    # 168 cores of 4, one hash per clock each. Source: ESP-Miner, kanoi driver-gekko.c.
    cores=168,
    sub_cores=4,
    hashes_per_clock=672,
    commands=COMMANDS,
    # Job byte and midstate in one. Source: hashing the nonce of ESP-Miner's test_job_command.c.
    responses=ResponseLayout(slot_mask=0xFC, midstate_mask=0x03),
    jobs=MidstateJob(preamble=b"\x55\xaa"),
    slots=tuple(range(0x00, 0x80, 4)),
    # Source: GPTechinno bm13xx-rs; kanoi's sorting by chip agrees with the address.
    nonce=NonceFields(core_shift=24, address_shift=14),
    # Dividers stored as they are (captured: 200 MHz); 70 before 08, both twice: ESP-Miner.
    pll=SearchedPll(
        dividers=POST2_BELOW_POST1, stored_less=0, before=((0x70, 0x0F0F0F00),), times=2
    ),
    # Default: Bitaxe Max; limits: kanoi, down to the frequency after a reset.
    frequency=FrequencyRange(lowest=50.0, default=425.0, highest=800.0),
    # Source: ESP-Miner bm1397.c and the log of its bytes.
    bring_up=(
        Do.COUNT_CHIPS,
        Do.FORGET_ADDRESSES,
        Do.SET_ADDRESSES,
        (0x80, 0x00000000),  # clock order
        (0x84, 0x00000000),
        (0x20, 0x00000001),  # ordered clock enable
        (0x3C, 0x80008074),  # core register 0: clock delay, several midstates
        Do.SET_TICKET,
        (0x68, 0xC0700111),  # PLL3, for baud rates above 3.125 M
        (0x28, 0x0600000F),
        (0x18, 0x00007A31),  # misc control: baud divider 26
        Do.RAMP,
        Do.SWITCH_BAUD,
    ),
    # 25 MHz / (8 * (d + 1)), d in bits 12-8 of 18. Source: kanoi (1.5 M), ESP-Miner (3.125 M).
    baud_rates=(
        BaudRate(rate=1_500_000, before=((0x18, 0x00006131),)),
        BaudRate(rate=3_125_000, before=((0x18, 0x00006031),)),
    ),
    baud_rate=3_125_000,
    version_register=None,
    hash_count=None,
    # Source: ESP-Miner's test_timeout.c.
    work_part=0.75,
    # Source: what ESP-Miner's self-test expects of a Bitaxe Max, less the board's 2 W.
    power=PowerModel(watts=10.0, fixed=0.0, mhz=425.0, volts=1.4),
)
