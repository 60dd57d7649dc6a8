"""What an embedded pool is told before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.profiles import PLAIN, Profile
from stratum_client.emulated_pool.vardiff import VardiffSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Everything but the profile's own ways; None means: as the profile has it.

    ``difficulty`` is the first one of each client; ``vardiff`` "off" keeps it. Sizes are in
    bytes, times in seconds. ``users`` maps user names (whole, or up to the first dot) to
    passwords; without it everyone may mine. ``version_mask`` 0 turns version rolling off.
    """

    listen_host: str = "127.0.0.1"
    listen_port: int = 0
    profile: Profile = PLAIN
    chain: ChainSettings = field(default_factory=ChainSettings)
    difficulty: float | None = None
    vardiff: VardiffSettings | Literal["off"] | None = None
    block_every: float | None = None
    work_every: float | None = None
    extranonce1_size: int | None = None
    extranonce2_size: int | None = None
    version_mask: int = 0x1FFFE000
    users: Mapping[str, str] | None = None
    resume: bool | None = None
    idle_timeout: float | None = None
    max_line: int | None = None
    max_clients: int = 1000
    max_unsent: int = 1 << 20

    def __post_init__(self) -> None:
        if self.difficulty is not None and not 0 < self.difficulty < 2.0**128:
            raise ValueError("the difficulty must be positive and below 2^128")
        if not 0 <= self.first_extranonce1_size <= 32:
            raise ValueError("extranonce1 must have 0 to 32 bytes")
        if not 1 <= self.first_extranonce2_size <= 16:
            raise ValueError("extranonce2 must have 1 to 16 bytes")
        if not 0 <= self.version_mask <= 0xFFFFFFFF:
            raise ValueError("the version mask must have 32 bits")

    @property
    def first_difficulty(self) -> float:
        """Return what a client starts with."""
        return self.profile.difficulty if self.difficulty is None else self.difficulty

    @property
    def first_extranonce1_size(self) -> int:
        """Return the size of a new client's extranonce1."""
        size = self.extranonce1_size
        return self.profile.extranonce1_size if size is None else size

    @property
    def first_extranonce2_size(self) -> int:
        """Return the size of a new client's extranonce2."""
        size = self.extranonce2_size
        return self.profile.extranonce2_size if size is None else size

    @property
    def vardiff_in_force(self) -> VardiffSettings | None:
        """Return how difficulties vary, None when they do not."""
        chosen = self.profile.vardiff if self.vardiff is None else self.vardiff
        return None if chosen == "off" else chosen
