"""Jobs: what a pool has clients search, and the coinbase it is made of.

Source: Bitcoin protocol; BIP 34 (height in the coinbase), BIP 141 (witness commitment);
Stratum v1 `mining.notify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stratum_client.emulated_pool.proof_of_work import double_sha256

SUBSIDY = 312_500_000
"""Satoshis a block earns, fees apart (2024 to 2028)."""


class CoinbaseParts(Protocol):
    """Something that knows the coinbase on both sides of the extranonces."""

    def around(self, extranonce_size: int) -> tuple[bytes, bytes]:
        """Return what comes before and after ``extranonce_size`` bytes of extranonces."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCoinbase:
    """Both parts as another pool sent them; they fit one size of extranonces only."""

    before: bytes
    after: bytes

    def around(self, extranonce_size: int) -> tuple[bytes, bytes]:  # noqa: ARG002 - as captured
        """Return the parts, whatever the size."""
        return self.before, self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase:
    """A coinbase of our own: the extranonces end its input script, pushed as one string.

    ``script`` is what comes before them; ``outputs`` are serialised, without their count.
    """

    script: bytes
    outputs: tuple[bytes, ...]

    def around(self, extranonce_size: int) -> tuple[bytes, bytes]:
        """Return the parts; the script's length and the push cover ``extranonce_size``."""
        script = self.script + (bytes([extranonce_size]) if extranonce_size else b"")
        before = (
            (2).to_bytes(4, "little")
            + b"\x01"
            + bytes(32)
            + b"\xff\xff\xff\xff"
            + bytes([len(script) + extranonce_size])
            + script
        )
        count = bytes([len(self.outputs)])
        return before, b"\xff\xff\xff\xff" + count + b"".join(self.outputs) + bytes(4)


def height_script(height: int, tag: bytes) -> bytes:
    """Return an input script that begins with the block's height and shows ``tag``."""
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    return bytes([len(number)]) + number + bytes([len(tag)]) + tag


def payment(value: int, script: bytes) -> bytes:
    """Return one output of ``value`` satoshis; ``script`` below 253 bytes."""
    return value.to_bytes(8, "little") + bytes([len(script)]) + script


def witness_commitment(branch: Sequence[bytes]) -> bytes:
    """Return the output that commits to the witnesses of the block's transactions.

    There are no real transactions here: the committed root is made from ``branch``.
    """
    root = bytes(32)
    for sibling in branch:
        root = double_sha256(root + sibling)
    return payment(0, bytes.fromhex("6a24aa21a9ed") + double_sha256(root + bytes(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A job before it is given to a client; hashes are 32 bytes in header order."""

    job_id: str
    height: int
    prev_hash: bytes
    coinbase: CoinbaseParts
    branch: tuple[bytes, ...]
    version: int
    nbits: int
    ntime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedJob:
    """A job as one client got it, with all that was in force then."""

    template: Template
    extranonce1: bytes
    extranonce2_size: int
    difficulty: float
    clean: bool
    issued_at: float

    def coinbase(self, extranonce2: bytes) -> bytes:
        """Return the whole coinbase as the client must have built it."""
        before, after = self._around()
        return before + self.extranonce1 + extranonce2 + after

    def params(self, *, unpadded: bool = False) -> list[object]:
        """Return the parameters of `mining.notify`; ``unpadded`` drops zeros on the left."""
        template = self.template
        before, after = self._around()
        form = "x" if unpadded else "08x"
        return [
            template.job_id,
            swap_words(template.prev_hash).hex(),
            before.hex(),
            after.hex(),
            [sibling.hex() for sibling in template.branch],
            format(template.version, form),
            format(template.nbits, "08x"),
            format(template.ntime, form),
            self.clean,
        ]

    def _around(self) -> tuple[bytes, bytes]:
        size = len(self.extranonce1) + self.extranonce2_size
        return self.template.coinbase.around(size)


def template_of(params: Sequence[object], *, height: int = 0) -> Template:
    """Return the job in the parameters of a recorded `mining.notify`; they must be sound."""
    job_id, prev_hash, before, after, branch, version, nbits, ntime = params[:8]
    assert isinstance(branch, list)
    return Template(
        job_id=str(job_id),
        height=height,
        prev_hash=swap_words(bytes.fromhex(str(prev_hash))),
        coinbase=CapturedCoinbase(
            before=bytes.fromhex(str(before)), after=bytes.fromhex(str(after))
        ),
        branch=tuple(bytes.fromhex(str(sibling)) for sibling in branch),
        version=int(str(version), 16),
        nbits=int(str(nbits), 16),
        ntime=int(str(ntime), 16),
    )


def swap_words(data: bytes) -> bytes:
    """Return ``data`` with the bytes of each 4-byte word reversed, as `prevhash` travels."""
    return b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
