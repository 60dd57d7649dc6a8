"""What a session is told about its pool: who we are, what we want, how long we wait."""

from dataclasses import dataclass, field

from stratum_client import __version__
from stratum_client.config import Deadlines, PoolConfig
from stratum_client.job import VersionBits
from stratum_client.payout import PayoutCheck

USER_AGENT = f"stratum-client/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """One connection's wishes; ``suggest_difficulty`` None follows the hash rate, 0 is off."""

    user: str
    password: str = field(default="x", repr=False)
    user_agent: str = USER_AGENT
    configure: bool = True
    pipeline: bool = True
    version_mask: int = 0x1FFFE000
    min_bit_count: int = 2
    minimum_difficulty: float = 0.0
    subscribe_extranonce: bool = False
    suggest_difficulty: float | None = None
    seconds_per_share: float = 6.0
    resume_id: str | None = None
    payout: PayoutCheck | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)


def options_of(config: PoolConfig, *, resume_id: str | None = None) -> SessionOptions:
    """Return the wishes that a pool's configuration stands for."""
    return SessionOptions(
        user=config.user,
        password=config.password,
        configure=config.configure,
        pipeline=config.pipeline,
        version_mask=config.version_rolling_mask,
        minimum_difficulty=config.minimum_difficulty,
        subscribe_extranonce=config.subscribes_extranonce,
        suggest_difficulty=_suggestion(config),
        seconds_per_share=config.share_interval,
        resume_id=resume_id,
        payout=PayoutCheck(config.payout) if config.payout else None,
        deadlines=config.deadlines,
    )


def _suggestion(config: PoolConfig) -> float | None:
    match config.suggest_difficulty:
        case "auto":
            return None
        case "off":
            return 0.0
        case difficulty:
            return difficulty


def version_bits_of(config: PoolConfig) -> VersionBits | None:
    """Return the configured form of the sixth submit parameter; None means: find out."""
    return None if config.version_bits == "auto" else VersionBits(config.version_bits)
