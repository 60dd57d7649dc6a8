"""The settings of /metrics and /healthz."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address

from stratum_client.setting_kinds import Kind, NotAllowedError, read_as


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where to listen: a numeric address; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as it stands in a configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: object) -> object:
    if value == "off" or value is False:
        return None
    if isinstance(value, str) and (given := re.fullmatch(r"(.+):([0-9]{1,5})", value)):
        host, port = given[1].removeprefix("[").removesuffix("]"), int(given[2])
        try:
            address = ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError as error:
            raise NotAllowedError from error
        if port <= 65_535:
            return ListenAddress(host=str(address), port=port)
    raise NotAllowedError


LISTEN = Kind('"off" or an address of this machine, as in "127.0.0.1:9332"', _listen)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where numbers are to be had; nowhere by default: nothing listens that nobody asked for."""

    listen: ListenAddress | None = field(default=None, metadata=read_as(LISTEN))
