"""One emulated chip: its address, its registers, and what they make it do.

Source: the register pages of skot/BM1397, bitaxeorg/ESP-Miner, GPTechinno/bm13xx-rs; live and
captured behaviour noted in 256foundation/mujina (hash counting number 0 halts, no nonce leaves
before register 18 is written) and shufps/piaxe-miner (temperature of the BM1368).
"""

from dataclasses import dataclass

from drivers.bm13xx.emulated_clocks import RESET_BAUD, baud_rate, pll
from drivers.bm13xx.emulated_models import CRYSTAL_MHZ, ChipModel, Form

HASH_COUNT = 0x10
TICKET_MASK = 0x14
MISC_CONTROL = 0x18
VERSION_ROLLING = 0xA4

_IDENTITY = 0x00
_HASH_RATE = 0x04
_NONCE_OFFSET = 0x0C
_CORE_CONTROL = 0x3C
_DOMAIN_COUNTERS = range(0x88, 0x8C)
_TOTAL_COUNTER = 0x8C
_TEMPERATURE_CONTROL, _TEMPERATURE_RESULT = 0xB0, 0xB4
_ADC_RESULT = 0xBD
_MEASURED = {_IDENTITY, 0x40, 0x4C, *_DOMAIN_COUNTERS, _TOTAL_COUNTER}
_MEASURED |= {_TEMPERATURE_RESULT, _ADC_RESULT}
_BAUD_REGISTERS = {0x18, 0x1C, 0x28, 0x60, 0x68}
_CORE_ENABLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a chip can measure about itself: degrees Celsius and core volts."""

    temperature: float
    volts: float


class EmulatedChip:
    """A chip on the chain, ``index`` places from the host; it starts as after a reset."""

    def __init__(self, model: ChipModel, index: int, *, strict: bool) -> None:
        self.model = model
        self.index = index
        self._strict = strict
        self.reset()

    def reset(self) -> None:
        """Forget everything: address 0, relaying, registers as at power-on."""
        self.registers = dict(self.model.registers)
        self.address: int | None = 0
        self.assigned = False
        self.relaying = True
        self.has_job = False
        self.cores_opened = 0
        self.hashes = 0.0
        self.baud: float = RESET_BAUD
        self._written: set[int] = set()
        self._core_registers: dict[int, int] = {}
        self._locked = True
        self._mhz = pll(self.model, self.registers.get(self.model.pll_register, 0)).mhz

    def deactivate(self) -> None:
        """Forget the address and stop relaying."""
        self.address, self.assigned, self.relaying = None, False, False

    def assign(self, address: int) -> None:
        """Take an address, and relay what comes next."""
        self.address, self.assigned, self.relaying = address, True, True

    def write(self, register: int, value: int) -> str:
        """Set a register; return why a real chip could not follow, empty if it can."""
        if register in _MEASURED:
            return f"register {register:02x} is read only"
        self.registers[register] = value
        self._written.add(register)
        if register == _CORE_CONTROL and value & 0x8000:
            self._core_registers[value >> 8 & 0x1F] = value & 0xFF
        if register in _BAUD_REGISTERS:
            self.baud = baud_rate(self.model, {0x18: 0, 0x28: 0, 0x60: 0, 0x68: 0} | self.registers)
        return self._set_pll(value) if register == self.model.pll_register else ""

    def read(self, register: int, around: Surroundings) -> int:
        """Return a register's 32 bits; 0 for one that the model does not have."""
        if register == _IDENTITY:
            return self.model.identity | (self.address or 0)
        if register == self.model.pll_register and self.model.form is not Form.BM1384:
            return self.registers.get(register, 0) & 0x7FFFFFFF | self._locked << 31
        if self.model.counts_hashes and register == _TOTAL_COUNTER:
            return int(self.hashes) >> 32 & 0xFFFFFFFF
        if self.model.counts_hashes and register in _DOMAIN_COUNTERS:
            return int(self.hashes / 4) >> 32 & 0xFFFFFFFF
        if self.model.form is Form.MIDSTATES and register == _HASH_RATE and self.has_job:
            return int(self.nominal) >> 20
        return self._measurement(register, around) or self.registers.get(register, 0)

    @property
    def mhz(self) -> float:
        """Return the frequency the chip hashes at, 0 if its registers keep it from hashing."""
        halted = HASH_COUNT in self._written and not self.registers[HASH_COUNT]
        return 0.0 if halted or not self._returns_nonces else self._mhz

    @property
    def clock_mhz(self) -> float:
        """Return the frequency of the main PLL, hashing or not."""
        return self._mhz

    @property
    def nominal(self) -> float:
        """Return the hashes per second that a real chip would do as this one is set."""
        return self.model.engines * self.mhz * 1e6

    @property
    def rolls_versions(self) -> bool:
        """Return whether the chip puts its own version bits into the header."""
        return self.registers.get(VERSION_ROLLING, 0) >> 31 == 1

    @property
    def ticket_bits(self) -> int:
        """Return how many zero bits beyond 32 a hash needs to be reported."""
        return self.registers.get(TICKET_MASK, 0).bit_count()

    @property
    def first_nonce(self) -> int:
        """Return where the chip begins to walk: bits below the core, lanes not counted."""
        fields = self.model.nonce
        offset = self.registers.get(_NONCE_OFFSET, 0)
        if self.model.takes_nonce_offset and offset >> 31:
            return (offset & 0xFFFF) << 9
        return ((self.address or 0) & fields.address_mask) << fields.address_shift

    @property
    def sweep(self) -> int | None:
        """Return how many nonces a core walks before the next versions; None if never told."""
        if not self.model.sweeps or HASH_COUNT not in self._written:
            return None
        return int(2 * self.registers[HASH_COUNT] * self._mhz / CRYSTAL_MHZ)

    def missing_setup(self) -> str:
        """Return what a chip still needs before a careful host sends it a job; empty if nothing."""
        needs = {
            "an address": self.assigned,
            "a PLL frequency": self.model.pll_register in self._written and self._locked,
        }
        if self.model.form is Form.FULL_HEADER:
            needs["nonce return (register 18)"] = self._returns_nonces
            needs["enabled cores (3C, core register 2)"] = self._core_registers.get(2) == 0xAA
            needs["a hash counting number (10)"] = bool(self.sweep)
        if self.model.form is Form.MIDSTATES:
            needs["a clock delay (3C, core register 0)"] = 0 in self._core_registers
        if self.model.form is Form.BM1387:
            needs["opened cores"] = self.cores_opened >= self.model.cores
        return ", ".join(need for need, met in needs.items() if not met)

    @property
    def _returns_nonces(self) -> bool:
        return self.model.form is not Form.FULL_HEADER or self.registers[MISC_CONTROL] >> 28 != 0

    def _set_pll(self, value: int) -> str:
        result = pll(self.model, value)
        self._locked = not result.problem
        self._mhz = result.mhz if self._locked or not self._strict else 0.0
        return f"PLL: {result.problem}" if result.problem else ""

    def _measurement(self, register: int, around: Surroundings) -> int:
        if self.model.has_thermometer and register == _TEMPERATURE_RESULT:
            running = self.registers.get(_TEMPERATURE_CONTROL, 0) >> 28 & 1
            code = round((around.temperature + 299.5144) / 0.171342)
            return running and 0x80000000 | code & 0xFFFF
        if self.model.adc_scale and register == _ADC_RESULT:
            return 0x80000000 | int((around.volts / self.model.adc_scale + 1.0) * 16384) & 0xFFFF
        return 0
