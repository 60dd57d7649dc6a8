"""The pool's own little block chain: its tip, and the templates it makes on top of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.jobs import (
    SUBSIDY,
    Coinbase,
    Template,
    height_script,
    payment,
    witness_commitment,
)
from stratum_client.emulated_pool.proof_of_work import compact, network_target, target_for

if TYPE_CHECKING:
    from random import Random

PAYOUT_SCRIPT = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
"""Pays the example key of BIP 173 (bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """What the templates look like.

    ``network_difficulty`` is what a share must reach to be a block. ``branches`` (0 to 16) is the
    number of hashes in a job's merkle branch, ``outputs`` (1 to 3) that of the coinbase: the
    payment, the witness commitment, a second payment. ``tag`` shows in the coinbase (at most
    40 bytes); ``version`` may have bits inside the mask set.
    """

    network_difficulty: float = 1.0
    branches: int = 12
    outputs: int = 2
    version: int = 0x20000000
    height: int = 905_000
    tag: bytes = b"/emulated pool/"
    payout_script: bytes = PAYOUT_SCRIPT

    def __post_init__(self) -> None:
        if not 0 <= self.branches <= 16:
            raise ValueError(f"branches must be 0 to 16, not {self.branches}")
        if not 1 <= self.outputs <= 3:
            raise ValueError(f"outputs must be 1 to 3, not {self.outputs}")
        if not 0 < self.height < 1 << 31:
            raise ValueError(f"height must be 1 to 2147483647, not {self.height}")
        if not 0 < len(self.tag) <= 40:
            raise ValueError(f"the tag must have 1 to 40 bytes, not {len(self.tag)}")
        if not self.network_difficulty > 0:
            raise ValueError("the network difficulty must be positive")


class Chain:
    """The tip, and a stream of templates.

    ``wall`` returns seconds since 1970; ``next_job_id`` names each template.
    """

    def __init__(
        self,
        settings: ChainSettings,
        *,
        wall: Callable[[], float],
        random: "Random",
        next_job_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._wall = wall
        self._random = random
        self._next_job_id = next_job_id
        self.nbits = compact(target_for(settings.network_difficulty))
        self.height = settings.height
        self.prev_hash = self._someone_elses_block()
        self.current = self._template()

    def extend(self, block_hash: bytes | None = None) -> Template:
        """Put a block on the tip, someone else's if not given; return work on top of it."""
        self.prev_hash = block_hash or self._someone_elses_block()
        self.height += 1
        return self.refresh()

    def refresh(self) -> Template:
        """Return new work on the same tip."""
        self.current = self._template()
        return self.current

    def private(self) -> Template:
        """Return new work on the same tip for one client alone; `current` stays."""
        return self._template()

    def adopt(self, template: Template) -> None:
        """Take a template made elsewhere, and its tip, as the current one."""
        self.prev_hash = template.prev_hash
        self.height = template.height
        self.nbits = template.nbits
        self.current = template

    def empty(self) -> Template:
        """Return work on the tip without any transaction, under a new job id."""
        return self._template(branches=0)

    def _template(self, branches: int | None = None) -> Template:
        settings = self._settings
        count = settings.branches if branches is None else branches
        branch = tuple(self._random.randbytes(32) for _ in range(count))
        return Template(
            job_id=self._next_job_id(),
            height=self.height,
            prev_hash=self.prev_hash,
            coinbase=self._coinbase(branch),
            branch=branch,
            version=settings.version,
            nbits=self.nbits,
            ntime=int(self._wall()) & 0xFFFFFFFF,
        )

    def _coinbase(self, branch: tuple[bytes, ...]) -> Coinbase:
        settings = self._settings
        fees = self._random.randrange(40_000) << len(branch)
        main = payment(SUBSIDY + fees, settings.payout_script)
        gift = payment(546, bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac"))
        outputs = (main, witness_commitment(branch), gift)[: settings.outputs]
        salt = self._random.randbytes(4)
        script = height_script(self.height, settings.tag) + b"\x04" + salt
        return Coinbase(script=script, outputs=outputs)

    def _someone_elses_block(self) -> bytes:
        return self._random.randrange(network_target(self.nbits) + 1).to_bytes(32, "little")
