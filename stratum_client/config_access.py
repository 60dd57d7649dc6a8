"""The settings of who may get at the rig: services that listen, and what they may change."""

from dataclasses import dataclass, field

from stratum_client.config_metrics import LISTEN, ListenAddress
from stratum_client.setting_kinds import BOOLEAN, Kind, NotAllowedError, Section, read_as, text
from stratum_client.toml_lines import KeyPath

_RIGHT = text(r"[A-Z]:[0-9a-fA-F.:/]{1,50}", 'a right and an address, as in "R:127.0.0.1"')


def _rights(value: object) -> object:
    """Return rights with their addresses; an array, or a text with commas between them."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise NotAllowedError
    return tuple(str(_RIGHT.read(one.strip())) for one in given)


RIGHTS = Kind('an array of rights and addresses, as in ["R:127.0.0.1"]', _rights)


@dataclass(frozen=True, slots=True, kw_only=True)
class CgminerConfig:
    """Where fleet tools would ask, and who may."""

    listen: ListenAddress | None = field(default=None, metadata=read_as(LISTEN))
    allow: tuple[str, ...] = field(default=(), metadata=read_as(RIGHTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """Services that a configuration may name already, and that this version does not have."""

    listen: ListenAddress | None = field(default=None, metadata=read_as(LISTEN))
    cgminer: CgminerConfig | None = field(default=None, metadata=read_as(Section(CgminerConfig)))

    @property
    def unserved(self) -> tuple[KeyPath, ...]:
        """Return the keys that ask for what is not there."""
        wanted: dict[KeyPath, ListenAddress | None] = {("api", "listen"): self.listen}
        wanted["api", "cgminer", "listen"] = self.cgminer.listen if self.cgminer else None
        return tuple(key for key, address in wanted.items() if address)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    """``lock_pools``: no order to the running daemon brings pools in or takes them away."""

    lock_pools: bool = field(default=False, metadata=read_as(BOOLEAN))
