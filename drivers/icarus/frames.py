"""The wire of Icarus-class devices: 64-byte work packets, answers of 4, 5 or 8 bytes. Sans-IO.

There is no frame mark, no length and no checksum; what is received can only be told right from
wrong by hashing it, see `reader`. Commands are in `commands`.

Source: kanoi/cgminer, driver-icarus.c; luke-jr/bfgminer, driver-icarus.c and driver-antminer.c.
"""

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from drivers.hashing.kernels import midstate

WORK_SIZE = 64

_WORDS = struct.Struct(">8I")
_TAIL = slice(64, 76)


class Kind(Enum):
    """What an answer is about; all but nonces only a Rockminer sends."""

    NONCE = 0
    TASK_DONE = 1
    TASK_WANTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What goes with a packet: which chip (lane) it is for, the tag its answers carry, MHz."""

    lane: int = 0
    tag: int = 0
    mhz: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; ``counter`` is the nonce as the device counts it, see `nonce_of`.

    ``tag`` is None where the device does not say to which work an answer belongs.
    """

    kind: Kind = Kind.NONCE
    counter: int = 0
    lane: int = 0
    tag: int | None = None
    temperature: float | None = None


class Form(Protocol):
    """How a family writes work and answers.

    ``tags``: how many works of one lane can be told apart by their answers, 1 for none.
    """

    @property
    def answer_size(self) -> int:
        """Return the bytes of an answer."""
        ...

    @property
    def tags(self) -> int:
        """Return the number of tags."""
        ...

    def encode(self, header: bytes, label: Label) -> bytes:
        """Return the 64 bytes that start a device on ``header`` (76 bytes of it or all 80)."""
        ...

    def decode(self, frame: bytes) -> Answer:
        """Return what ``frame`` says, `answer_size` bytes; raise ValueError if it says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class IcarusForm:
    """A bare nonce: FPGA boards and Block Erupters."""

    answer_size: int = 4
    tags: int = 1

    def encode(self, header: bytes, label: Label) -> bytes:  # noqa: ARG002 - nothing to label
        """Return the packet; its bytes 32 to 51 are 0."""
        return work_packet(header)

    def decode(self, frame: bytes) -> Answer:
        """Return the nonce."""
        return Answer(counter=_counter(frame, self.answer_size))


@dataclass(frozen=True, slots=True)
class AntminerForm:
    """A nonce, then the work's tag in the low 5 bits: Antminer U1, U2, U3. Tags are 0 to 30."""

    answer_size: int = 5
    tags: int = 31

    def encode(self, header: bytes, label: Label) -> bytes:
        """Return the packet; byte 51 is the tag."""
        return work_packet(header, label.tag)

    def decode(self, frame: bytes) -> Answer:
        """Return the nonce and its tag."""
        return Answer(counter=_counter(frame, self.answer_size), tag=frame[4] & 0x1F)


@dataclass(frozen=True, slots=True)
class RockminerForm:
    """Eight bytes: nonce, command, chip, task, temperature. Each chip has two tasks, 0 and 1.

    Midstate and tail travel as on an Icarus but with all their bytes in reverse. A chip is chosen
    and its frequency set by the packet itself: ``aa``, MHz / 10 - 1, chip, ``55`` in bytes 48-51.
    """

    lanes: int = 4
    answer_size: int = 8
    tags: int = 2

    def encode(self, header: bytes, label: Label) -> bytes:
        """Return the packet."""
        plain = work_packet(header)
        label_bytes = bytes((0xAA, rockminer_step(label.mhz), label.lane, 0x55))
        return plain[31::-1] + bytes(16) + label_bytes + plain[:51:-1]

    def decode(self, frame: bytes) -> Answer:
        """Return what a chip says; raise ValueError for a command or chip that does not exist."""
        counter = _counter(frame, self.answer_size)
        lane = frame[5] & 0x3F
        if lane >= self.lanes:
            raise ValueError(f"there is no chip {lane}")
        return Answer(
            kind=Kind(frame[4] & 0x0F),
            counter=counter,
            lane=lane,
            tag=frame[6] & 1,
            temperature=None if frame[7] == _NO_TEMPERATURE else float(frame[7]),
        )


def work_packet(header: bytes, tag: int = 0) -> bytes:
    """Return the 64-byte packet for ``header``, of which 76 bytes are used; ``tag`` is byte 51.

    The midstate's eight words go last word first, each big-endian; the twelve bytes after the
    first 64 of the header go as three words, last first, bytes as they are. The rest is 0: other
    values there are commands on some devices.
    """
    if not 0 <= tag < 256:
        raise ValueError(f"a tag is one byte, not {tag}")
    words = _WORDS.unpack(midstate(header[:64]))
    tail = header[_TAIL]
    if len(tail) != 12:
        raise ValueError(f"76 header bytes are needed, not {len(header)}")
    reversed_midstate = _WORDS.pack(*reversed(words))
    return reversed_midstate + bytes(19) + bytes((tag,)) + tail[8:] + tail[4:8] + tail[:4]


def nonce_of(counter: int) -> int:
    """Return the header's nonce for what the device counts: the same four bytes, read backwards."""
    return int.from_bytes(counter.to_bytes(4, "big"), "little")


def rockminer_step(mhz: float) -> int:
    """Return what stands for ``mhz`` in a Rockminer's packet: a byte, in steps of 10 MHz."""
    return int(mhz / 10) - 1


_NO_TEMPERATURE = 128


def _counter(frame: bytes, size: int) -> int:
    if len(frame) != size:
        raise ValueError(f"an answer has {size} bytes, not {len(frame)}")
    return int.from_bytes(frame[:4], "big")
