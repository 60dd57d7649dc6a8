"""The BM13xx wire but for jobs: commands to the chips, responses from them.

Two formats share these classes: with a preamble (BM1397 and later) and without (BM1387). The
BM1384's shorter commands are in `bm1384`. Sans-IO: bytes in, typed values out.

Source: ESP-Miner components/asic, mujina asic/bm13xx, kanoi cgminer driver-gekko.c.
"""

from dataclasses import dataclass
from typing import Protocol, assert_never

from drivers.bm13xx.crc import crc5

RegisterWrite = tuple[int, int]
"""Register and value."""

_EVERY_CHIP = 0x10
_REGISTER_TYPE, _NONCE_TYPE = 0, 4
_FIRST_ROLLED_BIT = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRegister:
    """Ask for a register of the chip at ``address``, or of every chip."""

    register: int
    address: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRegister:
    """Set a 32-bit register of the chip at ``address``, or of every chip."""

    register: int
    value: int
    address: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAddress:
    """Give ``address`` to the first chip of the chain that has none."""

    address: int


@dataclass(frozen=True, slots=True)
class ChainInactive:
    """Make every chip forget its address and stop relaying commands to the next one."""


Command = ReadRegister | WriteRegister | SetAddress | ChainInactive


class CommandFormat(Protocol):
    """How one generation of chips writes commands."""

    def encode(self, command: Command) -> bytes:
        """Return the frame; raise ValueError if the chip has no such command."""
        ...

    def decode(self, frame: bytes) -> Command:
        """Return what ``frame`` says; raise ValueError if it is not one whole, correct frame."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedCommands:
    """Commands as ``[preamble] header length payload crc5``; the length leaves out the preamble.

    The header is the command's code, plus 10 (hex) when every chip is meant. Payloads: an address
    and 00; 00 00; an address and a register; the same and four value bytes, high byte first.
    """

    preamble: bytes
    set_address: int
    write: int
    read: int
    inactive: int

    def encode(self, command: Command) -> bytes:
        """Return the frame of ``command``: 5 or 9 bytes and the preamble."""
        match command:
            case ReadRegister(register=register, address=address):
                return self._frame(self.read, address, bytes((address or 0, register)))
            case WriteRegister(register=register, value=value, address=address):
                payload = bytes((address or 0, register)) + value.to_bytes(4, "big")
                return self._frame(self.write, address, payload)
            case SetAddress(address=address):
                return self._frame(self.set_address, address, bytes((address, 0)))
            case ChainInactive():
                return self._frame(self.inactive, None, bytes(2))
            case _:
                assert_never(command)

    def decode(self, frame: bytes) -> Command:
        """Return the command in ``frame``; raise ValueError unless it is whole and correct."""
        body = frame.removeprefix(self.preamble)
        if not frame.startswith(self.preamble) or len(body) < 5 or body[1] != len(body):
            raise ValueError(f"not a command frame: {frame.hex()}")
        if crc5(body[:-1]) != body[-1]:
            raise ValueError(f"wrong CRC: {frame.hex()}")
        code, every, first, second = body[0] & ~_EVERY_CHIP, body[0] & _EVERY_CHIP, *body[2:4]
        address = None if every else first
        if code == self.read and len(body) == 5:
            return ReadRegister(register=second, address=address)
        if code == self.write and len(body) == 9:
            value = int.from_bytes(body[4:8], "big")
            return WriteRegister(register=second, value=value, address=address)
        if code == self.set_address and len(body) == 5 and not every:
            return SetAddress(address=first)
        if code == self.inactive and len(body) == 5 and every:
            return ChainInactive()
        raise ValueError(f"unknown command: {frame.hex()}")

    def _frame(self, code: int, address: int | None, payload: bytes) -> bytes:
        header = code | _EVERY_CHIP if address is None else code
        body = bytes((header, len(payload) + 3)) + payload
        return self.preamble + body + bytes((crc5(body),))


COMMANDS = FramedCommands(
    preamble=b"\x55\xaa", set_address=0x40, write=0x41, read=0x42, inactive=0x43
)
"""BM1397 and later. Source: ESP-Miner components/asic/*.c; captures of a Bitaxe and an S19 XP."""

BARE_COMMANDS = FramedCommands(preamble=b"", set_address=0x41, write=0x48, read=0x44, inactive=0x45)
"""BM1387. Source: kanoi cgminer driver-gekko.c."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceFound:
    """A chip says that this nonce meets its ticket.

    ``slot`` is the job byte as it was sent, ``midstate`` which of the job's midstates was used,
    ``version_bits`` the header version bits the chip rolled, in place. ``zero_bits`` is the
    chip's own note of how far the hash is below the ticket, in a unit that differs by chip.
    """

    nonce: int
    slot: int
    midstate: int = 0
    version_bits: int = 0
    sub_core: int = 0
    zero_bits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterReply:
    """The answer to a read; the BM1384 names neither ``address`` nor ``register``."""

    value: int
    address: int | None
    register: int | None


Response = NonceFound | RegisterReply


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseLayout:
    """Where the fields of a response are. All responses of a chip have one size.

    ``size`` counts the bytes after the preamble, ``rolling_size`` the same once the chip rolls
    versions by itself and reports two bytes more. The job byte is read at ``slot_at``:
    ``slot = (byte & slot_mask) >> slot_shift``, the masked rest is a midstate or a sub-core.
    The last byte is type (3 bits, high) and CRC-5 over all bits before it.
    """

    preamble: bytes = b"\xaa\x55"
    size: int = 7
    rolling_size: int | None = None
    slot_at: int = 5
    slot_mask: int
    slot_shift: int = 0
    midstate_mask: int = 0
    sub_core_mask: int = 0
    nonce_has_crc: bool = True

    def parse(self, body: bytes) -> Response | None:
        """Return the response in ``body``, a frame without its preamble; None if there is none."""
        kind = body[-1] >> 5
        if (kind == _REGISTER_TYPE or self.nonce_has_crc) and crc5(body):
            return None
        if kind == _NONCE_TYPE:
            return self._nonce(body)
        if kind == _REGISTER_TYPE:
            return self._register(body)
        return None

    def _nonce(self, body: bytes) -> NonceFound:
        job = body[self.slot_at]
        rolled = int.from_bytes(body[6:8], "big") if len(body) == self.rolling_size else 0
        return NonceFound(
            nonce=int.from_bytes(body[:4], "little"),
            slot=(job & self.slot_mask) >> self.slot_shift,
            midstate=job & self.midstate_mask,
            version_bits=rolled << _FIRST_ROLLED_BIT,
            sub_core=job & self.sub_core_mask,
            zero_bits=body[4] if self.slot_at > 4 else 0,
        )

    def _register(self, body: bytes) -> RegisterReply:
        named = len(body) > 6
        return RegisterReply(
            value=int.from_bytes(body[:4], "big"),
            address=body[4] if named else None,
            register=body[5] if named else None,
        )


class ResponseReader:
    """Finds responses in the bytes from a chain, however they are cut.

    What is not a response is skipped byte by byte until one is found. ``skipped`` counts those
    bytes, ``crc_errors`` the places where a frame had been expected and was none. Set ``rolling``
    when the chips were told to roll versions: their responses are longer from then on.

    Of a response that was cut off, as by a full buffer on the way, the rest is the next one, and
    five bits of CRC let one of 256 such pass. So a response with a preamble in it, which is one of
    thousands, is believed only if what begins there is none; that waits for the next response.
    """

    def __init__(self, layout: ResponseLayout, *, rolling: bool = False) -> None:
        self.rolling = rolling
        self.skipped = 0
        self.crc_errors = 0
        self._layout = layout
        self._buffer = b""
        self._in_step = True

    def feed(self, data: bytes) -> list[Response]:
        """Return the responses completed by ``data``, in order; never raise."""
        layout, buffer, position = self._layout, self._buffer + data, 0
        head = len(layout.preamble)
        size = (self.rolling and layout.rolling_size) or layout.size
        found: list[Response] = []
        while (start := self._frame_start(buffer, position)) + head + size <= len(buffer):
            response = layout.parse(buffer[start + head : start + head + size])
            inner = buffer.find(layout.preamble, start + head, start + head + size) if head else -1
            if response is not None and inner >= 0:
                if inner + head + size > len(buffer):
                    break
                if layout.parse(buffer[inner + head : inner + head + size]) is not None:
                    response = None
            self.skipped += start - position
            if response is None:
                self._lost_step()
                position = start + 1
            else:
                self._in_step = True
                found.append(response)
                position = start + head + size
        self.skipped += start - position
        self._buffer = buffer[start:]
        return found

    def reset(self) -> None:
        """Forget a frame that has only begun, as after a reset of the chips; keep the counts."""
        self._buffer = b""
        self._in_step = True

    def _frame_start(self, buffer: bytes, position: int) -> int:
        """Return where the next frame may begin; the end of ``buffer`` if nowhere in it."""
        preamble = self._layout.preamble
        start = buffer.find(preamble, position)
        if start >= 0:
            return start
        return len(buffer) - buffer.endswith(preamble[:1], position)

    def _lost_step(self) -> None:
        self.skipped += 1
        if self._layout.preamble or self._in_step:
            self.crc_errors += 1
        self._in_step = False
