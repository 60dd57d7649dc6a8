"""What the command line says about pools and devices, joined with the rest of the settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from stratum_client.config import Config, DeviceConfig
from stratum_client.config_checks import default_device_name, distinct
from stratum_client.config_environment import Override, overrides_in, put_into
from stratum_client.config_file import config_of
from stratum_client.config_power import WATTS
from stratum_client.config_reader import Origins
from stratum_client.config_secrets import Secrets
from stratum_client.config_thermal import DEGREES
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import NAME, Kind, printable, problem_with, read_value, scalar_of
from stratum_client.toml_lines import KeyPath

_DRIVER = "[a-z0-9][a-z0-9._-]*(:[a-z0-9][a-z0-9._-]*)?"
_SETTING = "[a-z][a-z0-9_]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolArguments:
    """One ``--pool`` and what belongs to it."""

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    pin: str | None = None
    insecure: bool | None = None

    def table(self) -> dict[str, object]:
        """Return what is given, as a table of a file would have it."""
        given: dict[str, object] = {
            key: value
            for key in ("url", "user", "password", "password_file", "proxy")
            if (value := getattr(self, key)) is not None
        }
        if self.pin is not None:
            given["tls"] = {"verify": "pin", "pin_sha256": self.pin}
        if self.insecure:
            given["tls"] = {"verify": "insecure"}
        return given


def with_arguments(
    config: Config | None,
    *,
    pools: Sequence[PoolArguments] = (),
    devices: Sequence[DeviceConfig] = (),
    environ: Mapping[str, str],
) -> Config:
    """Return ``config`` with the pools and devices of the command line in place of its own.

    Such a pool gets the common deadlines, and from the environment what the command line does not
    say, such as ``SC_POOL_1_PASSWORD``. Raises ConfigError, which names the option.
    """
    config = config or Config()
    if pools:
        config = _with_pools(config, pools, environ)
    if devices:
        config = replace(config, devices=distinct(tuple(devices), default_device_name))
    return config


def parse_device(text: str) -> DeviceConfig:
    """Return the device written as ``NAME[@PORT][,key=value...]``; raise ConfigError.

    ``name=`` names the device, ``max_temp=`` and ``limit=`` are as in the file. All else is for
    its driver, read as TOML would read it: numbers, ``true`` and ``false``, else text, which may
    stand in double quotes.
    """
    head, *settings = text.split(",")
    driver, at, port = head.partition("@")
    driver = driver.lower()
    if not re.fullmatch(_DRIVER, driver):
        raise _device_error(text, f'"{printable(driver)}" is not the name of a driver or board')
    if at and not (port and port.isprintable()):
        raise _device_error(text, "no port stands behind the @")
    values = _settings_of(text, settings)
    name = values.pop("name", "")
    try:
        named = str(NAME.read(str(name))) if name != "" else ""
    except ValueError as error:
        raise _device_error(text, f"name: expected {NAME.allowed}") from error
    max_temp = _own(text, "max_temp", DEGREES, values)
    limit = _own(text, "limit", WATTS, values)
    return DeviceConfig(
        name=named, driver=driver, port=port, settings=values, max_temp=max_temp, limit=limit
    )


def _own(text: str, key: str, kind: Kind, values: dict[str, object]) -> float | None:
    """Take a setting of the device that is not its driver's out of ``values``; None without."""
    if key not in values:
        return None
    value = values.pop(key)
    try:
        read = read_value(kind, value)
    except ValueError as error:
        raise _device_error(text, f"{key}: {problem_with(value, kind, error)}") from error
    assert isinstance(read, int | float)
    return read


def _settings_of(text: str, pairs: list[str]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not re.fullmatch(_SETTING, key):
            raise _device_error(text, f'"{printable(pair)}" is not of the form key=value')
        if key in settings:
            raise _device_error(text, f"{key} is given twice")
        settings[key] = scalar_of(value.strip())
    return settings


def _device_error(text: str, problem: str) -> ConfigError:
    form = "NAME[@PORT][,key=value...], as in cpu,threads=2"
    return ConfigError(f"--device {printable(text)}", f"{problem}; the form is {form}")


def _with_pools(
    config: Config, pools: Sequence[PoolArguments], environ: Mapping[str, str]
) -> Config:
    tables: list[dict[str, object]] = []
    elsewhere: dict[KeyPath, str] = {}
    for index, pool in enumerate(pools):
        given = pool.table()
        of = f" of pool {index + 1}" if len(pools) > 1 else ""
        if pool.pin is not None and pool.insecure:
            raise ConfigError(f"--pin{of}", "means nothing with --insecure: leave one out")
        elsewhere |= {("pool", index, key): f"--{key.replace('_', '-')}{of}" for key in given}
        if "tls" in given:
            option = "--insecure" if pool.insecure else "--pin"
            elsewhere |= {("pool", index, "tls"): option + of}
        elsewhere |= {("pool", index): f"--pool{of}", ("pool", index, "url"): f"--pool{of}"}
        tables.append(given)
    document: dict[str, object] = {
        "rig": {"name": config.rig.name},
        "deadlines": asdict(config.deadlines),
        "network": {"proxy": config.network.proxy.text} if config.network.proxy else {},
        "pool": tables,
    }
    mine = [override for override in overrides_in(environ)[0] if _concerns(override, len(pools))]
    elsewhere |= put_into(document, mine, stronger=False)
    secrets = Secrets(environ, Path())
    read = config_of(document, Origins(name="command line", elsewhere=elsewhere), secrets)
    settled = {override.stray_warning for override in mine if override.path[0] == "pool"}
    before = [warning for warning in config.warnings if warning not in settled]
    warnings = tuple(dict.fromkeys((*before, *secrets.warnings)))
    return replace(config, pools=read.pools, warnings=warnings)


def _concerns(override: Override, pools: int) -> bool:
    """Return whether it is of one of the first ``pools`` pools, or of the way to all of them."""
    section, index, *_ = (*override.path, None)
    return section == "network" or (section == "pool" and isinstance(index, int) and index < pools)
