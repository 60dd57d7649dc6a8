"""What is plugged in, what each port is taken for, and which configured device is meant by it.

A port whose best drivers score alike is nobody's until it is named: boards that share their
firmware's USB ids differ in chips and voltage. So is one that has nothing but the ids of a bridge
chip which some miners have, and a million cables. Asking the drivers imports them all and runs
their code: nothing here that does is for the event loop.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers import discovery, registry, usb_discovery
from drivers.api import PortInfo
from drivers.errors import DriverError
from drivers.registry import DriverClashError
from drivers.transports.port_paths import usb_path
from stratum_client.config import Config, DeviceConfig, DeviceMatch
from stratum_client.config_checks import default_device_name
from stratum_client.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a port is taken for.

    ``drivers`` are those that want it, the surest first; the first ``ties`` are equally sure. Only
    where nobody wants it are there ``possible`` ones: its ids could be theirs, or anything's.
    """

    port: PortInfo
    drivers: tuple[str, ...] = ()
    ties: int = 0
    possible: tuple[str, ...] = ()

    @property
    def driver(self) -> str:
        """Return who takes the port without being told; empty when nobody does."""
        return self.drivers[0] if self.ties == 1 else ""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Return the drivers between which somebody must choose."""
        return self.drivers[: self.ties] if self.ties > 1 else ()

    @property
    def problem(self) -> str:
        """Return why nobody takes the port, and what to do about it; empty when somebody does."""
        if self.driver:
            return ""
        if self.candidates:
            return (
                f"several boards share these ids: {', '.join(self.candidates)}; "
                f"say which, as in {self.claim}"
            )
        if self.possible:
            return (
                f"not claimed: could be {', '.join(self.possible)}, or anything else; "
                f"if it is one, say so: {self.claim}"
            )
        return "no driver knows it"

    @property
    def claim(self) -> str:
        """Return the argument that claims the port for its likeliest driver; else empty."""
        name = next(iter(self.candidates or self.possible), "")
        return f"--device {name}@{usb_path(self.port) or self.port.name}" if name else ""


def find(config: Config) -> tuple[Verdict, ...] | None:
    """Return what is plugged in, if devices have to be found at all: none are configured.

    Raises ConfigError when ports have to be judged and installed drivers collide.
    """
    try:
        if not config.devices:
            return verdicts()
        if any(device.match for device in config.devices):
            registry.names()
    except DriverClashError as error:
        raise ConfigError("drivers", str(error)) from error
    return None


def verdicts() -> tuple[Verdict, ...]:
    """Return a verdict on each port there is; raise DriverClashError when packages collide.

    Drivers that cannot be used are noted by the registry even where there is no port to ask about.
    """
    registry.matches(PortInfo())
    return tuple(verdict_on(port) for port in usb_discovery.ports())


def verdict_on(port: PortInfo) -> Verdict:
    """Return what ``port`` is taken for; raise DriverClashError when packages collide."""
    scored = registry.matches(port)
    scores = [score for _, score in scored]
    return Verdict(
        port=port,
        drivers=tuple(driver.name for driver, _ in scored),
        ties=scores.count(scores[0]) if scores else 0,
        possible=registry.possible(port) if port.vid and not scored else (),
    )


def taken(found: Iterable[Verdict]) -> tuple[DeviceConfig, ...]:
    """Return a device, not yet named, for each port that a driver takes without being told."""
    return tuple(
        DeviceConfig(driver=verdict.driver, port=verdict.port.name)
        for verdict in found
        if verdict.driver
    )


def driver_name(config: DeviceConfig) -> str:
    """Return who drives a configured device; empty when its port must tell."""
    return config.driver or (config.match.board if config.match else "")


def means(config: DeviceConfig, verdict: Verdict) -> bool:
    """Return whether a configured device is plugged in at the port of ``verdict``.

    A match of nothing but a board's name takes what the driver of that board wants at all.
    """
    if config.match is None:
        return any(discovery.is_at(verdict.port, path) for path in config.paths)
    if is_exact(config.match):
        return _fits(config.match, verdict.port)
    return config.match.board in verdict.drivers


def is_exact(match: DeviceMatch) -> bool:
    """Return whether a match says more than which board it is."""
    return match != DeviceMatch(board=match.board)


def located(config: DeviceConfig, found: Iterable[Verdict]) -> tuple[str, PortInfo]:
    """Return driver and port of a device as far as both are known; raise ConfigError if not."""
    port = PortInfo()
    if config.paths:
        port = usb_discovery.port_at(config.paths)
    elif config.match:
        fitting = next((verdict for verdict in found if means(config, verdict)), None)
        if fitting is None:
            raise device_error(config, "no port fits its match: is it plugged in?")
        port = fitting.port
    return driver_name(config) or told_by_port(config, port), port


def told_by_port(config: DeviceConfig, port: PortInfo) -> str:
    """Return the driver that takes ``port`` for a device without one; raise ConfigError."""
    try:
        verdict = verdict_on(port)
    except DriverError as error:
        raise device_error(config, str(error)) from error
    if not verdict.driver:
        raise device_error(config, f"{port.name}: {verdict.problem}; name its driver")
    return verdict.driver


def device_error(config: DeviceConfig, problem: str) -> ConfigError:
    """Return the error that names a device."""
    return ConfigError(f"device {config.name or default_device_name(config)}", problem)


def _fits(match: DeviceMatch, port: PortInfo) -> bool:
    """Return whether all that is given of a port's properties is so."""
    wanted = ((getattr(match, key), getattr(port, key)) for key in _PROPERTIES)
    return all(value in {"", None} or value == found for value, found in wanted)


_PROPERTIES = ("serial", "manufacturer", "product", "vid", "pid")
