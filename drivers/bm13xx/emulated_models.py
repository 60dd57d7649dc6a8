"""What each emulated chip model is: identity, hash engines, registers at reset, shape of a nonce.

Data for the emulator alone, kept apart from the drivers' chip tables on purpose: the two must
agree because both follow the chips, not because one copied the other.

Source: registers at reset from skot/BM1397 (registers.md, bm1366_*.md) and GPTechinno/bm13xx-rs;
nonce fields from hardware captures of BM1362, BM1366 and BM1370 (256foundation/mujina), and from
bitaxeorg/ESP-Miner, GPTechinno/bm13xx-rs and kanoi/cgminer for the others; engines from ESP-Miner.
Assumed, as nobody wrote it down: that BM1387 and BM1384 wake at 100 MHz.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

CRYSTAL_MHZ = 25.0


class Form(Enum):
    """The bytes that a model speaks."""

    FULL_HEADER = "55 AA frames, 88-byte jobs"
    MIDSTATES = "55 AA frames, jobs of 1 to 4 midstates"
    BM1387 = "frames without preamble, jobs of 1 to 4 midstates"
    BM1384 = "4-byte commands, 64-byte jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceFields:
    """Where chip and core stand in the nonce, read as a big-endian number.

    The top ``core_bits`` name the core. Of the rest, a chip of address A begins at
    ``(A & address_mask) << address_shift``. With ``lanes`` above 1 the bits right below the core
    name the sub-core, and each sub-core walks the same range.
    """

    core_bits: int
    lanes: int = 1
    address_mask: int = 0xFF
    address_shift: int

    @property
    def walk_bits(self) -> int:
        """Return how many bits one engine walks through."""
        return 32 - self.core_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipModel:
    """One model. ``engines`` hash once per clock; ``identity`` is register 00 at reset.

    A job byte comes back as ``(byte << result_shift) & result_mask`` with the sub-core or the
    midstate added. ``excess_unit`` is what one leading zero bit above the ticket counts in the
    byte after the nonce. The post dividers of the PLL are stored less ``divider_offset``.
    A chip that ``sweeps`` walks as many nonces as its hash counting number says; the others up to
    the next chip's first. ``adc_scale`` is the core voltage per volt at the converter, 0 without.
    """

    name: str
    form: Form
    identity: int
    engines: int
    cores: int
    sub_cores: int = 1
    nonce: NonceFields
    result_mask: int = 0xFF
    result_shift: int = 0
    excess_unit: int = 1
    sub_core_slips: float = 0.0
    divider_offset: int = 0
    vco: tuple[float, float] = (0.0, 1e6)
    pll_register: int = 0x08
    sweeps: bool = False
    takes_nonce_offset: bool = False
    counts_hashes: bool = False
    has_thermometer: bool = False
    adc_scale: float = 0.0
    registers: Mapping[int, int] = field(default_factory=dict)


_ROLLING = {
    0x0C: 0,
    0x10: 0,
    0x14: 0,
    0x18: 0x0000C100,
    0x1C: 0,
    0x28: 0x01301A00,
    0x2C: 0x000F0000,
    0x38: 0,
    0x3C: 0,
    0x58: 0x00012111,
    0x5C: 0x0000FFFF,
    0x08: 0xC0540165,
    0x60: 0x20500174,
    0xA4: 0x0000FFFF,
    0xA8: 0x00070000,
}
_ADDRESS_17 = NonceFields(core_bits=7, address_shift=17)

BM1397 = ChipModel(
    name="bm1397",
    form=Form.MIDSTATES,
    identity=0x13971800,
    engines=672,
    cores=168,
    sub_cores=4,
    nonce=NonceFields(core_bits=8, lanes=4, address_shift=14),
    result_mask=0xFC,
    vco=(750.0, 3200.0),
    registers={
        0x04: 0x80000000,
        0x08: 0xC0600161,
        0x18: 0x00003A01,
        0x1C: 0x01000000,
        0x20: 0x0000FFFF,
        0x28: 0x0600000F,
        0x2C: 0x000F0000,
        0x3C: 0x00004000,
        0x44: 0x00000100,
        0x48: 0xFF000000,
        0x58: 0x02112111,
        0x5C: 0x0000FFFF,
        0x60: 0x00640111,
        0x64: 0x00680111,
        0x68: 0x00700111,
        0x70: 0x03040607,
        0x74: 0x03040506,
        0x78: 0x03040506,
        0x7C: 0x03040506,
        0x80: 0xD95C8410,
        0x84: 0xFB73EA62,
        0x90: 0x70,
        0x94: 0x00376400,
        0x98: 0x30303030,
        0x9C: 0x0000FFFF,
    },
)

BM1362 = ChipModel(
    name="bm1362",
    form=Form.FULL_HEADER,
    identity=0x13620300,
    engines=514,
    cores=65,
    sub_cores=8,
    nonce=NonceFields(core_bits=7, address_mask=0xFE, address_shift=17),
    result_mask=0xF8,
    sub_core_slips=0.08,
    divider_offset=1,
    vco=(2000.0, 3200.0),
    sweeps=True,
    registers={**_ROLLING, 0xA8: 0},
)

BM1366 = ChipModel(
    name="bm1366",
    form=Form.FULL_HEADER,
    identity=0x13660000,
    engines=894,
    cores=112,
    sub_cores=8,
    nonce=NonceFields(core_bits=7, address_mask=0xFE, address_shift=17),
    result_mask=0xF8,
    divider_offset=1,
    vco=(1600.0, 3200.0),
    sweeps=True,
    counts_hashes=True,
    registers={**_ROLLING, 0x04: 0x00012A89, 0x20: 3, 0x30: 0x70},
)

BM1368 = ChipModel(
    name="bm1368",
    form=Form.FULL_HEADER,
    identity=0x13680000,
    engines=1276,
    cores=80,
    sub_cores=16,
    nonce=_ADDRESS_17,
    result_mask=0xF0,
    result_shift=1,
    excess_unit=2,
    divider_offset=1,
    vco=(1600.0, 3200.0),
    sweeps=True,
    counts_hashes=True,
    has_thermometer=True,
    adc_scale=0.6,
    registers=_ROLLING,
)

BM1370 = ChipModel(
    name="bm1370",
    form=Form.FULL_HEADER,
    identity=0x13700000,
    engines=2040,
    cores=128,
    sub_cores=16,
    nonce=_ADDRESS_17,
    result_mask=0xF0,
    result_shift=1,
    excess_unit=2,
    divider_offset=1,
    vco=(1600.0, 3200.0),
    sweeps=True,
    takes_nonce_offset=True,
    counts_hashes=True,
    adc_scale=1.0,
    registers={**_ROLLING, 0x20: 7, 0x30: 0x80},
)

BM1387 = ChipModel(
    name="bm1387",
    form=Form.BM1387,
    identity=0x13870000,
    engines=114,
    cores=114,
    nonce=NonceFields(core_bits=0, address_shift=24),
    pll_register=0x0C,
    registers={0x0C: 0x00200241, 0x1C: 0x00001A00},
)

BM1384 = ChipModel(
    name="bm1384",
    form=Form.BM1384,
    identity=0x13840000,
    engines=55,
    cores=55,
    nonce=NonceFields(core_bits=0, address_shift=24),
    pll_register=0x04,
    registers={0x04: 0x0783},
)

MODELS: Mapping[str, ChipModel] = {
    model.name: model for model in (BM1384, BM1387, BM1397, BM1362, BM1366, BM1368, BM1370)
}
