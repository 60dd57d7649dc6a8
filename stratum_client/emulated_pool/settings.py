"""What an embedded pool is told before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.faults import Fault
from stratum_client.emulated_pool.known_pools import PLAIN
from stratum_client.emulated_pool.profiles import Profile
from stratum_client.emulated_pool.vardiff import VardiffSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Everything but the profile's own ways; None means: as the profile has it.

    ``difficulty`` is the first one of each client; ``vardiff`` "off" keeps it. Sizes are in
    bytes, times in seconds; 0 turns a period or a timeout off. ``users`` maps user names (whole,
    or up to the first dot) to passwords; without it everyone may mine, with
    ``check_addresses`` everyone whose name begins with a Bitcoin address. ``version_mask`` 0
    turns version rolling off; without ``obey_suggestions`` a client's wish for a difficulty is
    met with silence. ``first_extranonce1`` is the number of the first extranonce1
    (default: by chance). ``max_unsent`` bytes may wait for a client that reads slowly. Without
    ``own_work`` jobs come from `PoolEngine.adopt` alone, as a replay of a recording needs it.
    """

    listen_host: str = "127.0.0.1"
    listen_port: int = 0
    profile: Profile = PLAIN
    chain: ChainSettings = field(default_factory=ChainSettings)
    difficulty: float | None = None
    vardiff: VardiffSettings | Literal["off"] | None = None
    block_every: float = 0.0
    work_every: float | None = None
    extranonce_every: float | None = None
    extranonce1_size: int | None = None
    extranonce2_size: int | None = None
    first_extranonce1: int | None = None
    version_mask: int = 0x1FFFE000
    users: Mapping[str, str] | None = None
    check_addresses: bool = False
    resume: bool = True
    obey_suggestions: bool = True
    idle_timeout: float | None = None
    max_line: int | None = None
    max_clients: int = 1000
    max_unsent: int = 1 << 20
    own_work: bool = True
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if not 2.0**-32 <= self.first_difficulty <= 2.0**128:
            raise ValueError("the difficulty must be between 2^-32 and 2^128")
        if not 0 <= self.first_extranonce1_size <= 32:
            raise ValueError("extranonce1 must have 0 to 32 bytes")
        if not 1 <= self.first_extranonce2_size <= 16:
            raise ValueError("extranonce2 must have 1 to 16 bytes")
        if not 0 <= self.version_mask <= 0xFFFFFFFF:
            raise ValueError("the version mask must have 32 bits")
        for period in (self.block_every, self.work_every, self.idle_timeout):
            if period is not None and period < 0:
                raise ValueError("a time must not be negative")

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
        """Return how difficulties vary, None when they do not.

        They do not exceed the network's; the first difficulty is always among those allowed.
        """
        if self.vardiff == "off":
            return None
        vardiff = self.vardiff or self.profile.vardiff
        if vardiff is None:
            return None
        first = self.first_difficulty
        return replace(
            vardiff,
            lowest=min(vardiff.lowest, first),
            highest=max(min(vardiff.highest, self.chain.network_difficulty), first),
        )

    @property
    def work_period(self) -> float:
        """Return the seconds between jobs on the same block, 0 for never."""
        return self.profile.work_every if self.work_every is None else self.work_every

    @property
    def extranonce_period(self) -> float:
        """Return the seconds between changes of the extranonces, 0 for never."""
        period = self.extranonce_every
        return self.profile.extranonce_every or 0.0 if period is None else period

    @property
    def idle_limit(self) -> float:
        """Return the seconds of silence after which a client is dropped, 0 for never."""
        timeout = self.idle_timeout
        return self.profile.idle_timeout or 0.0 if timeout is None else timeout
