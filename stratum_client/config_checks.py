"""What single keys cannot know: names that differ, payout addresses, deadlines in order.

Pure; each function takes settings as they were read and returns them complete.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TypeVar

from stratum_client.bitcoin_address import AddressError, check_payout_user, script_of
from stratum_client.config import (
    ASCENDING,
    Config,
    Deadlines,
    DeviceConfig,
    DeviceMatch,
    PoolConfig,
)
from stratum_client.config_curtail import CurtailConfig
from stratum_client.config_mqtt import NO_SITE, MqttConfig
from stratum_client.config_power import MeterConfig
from stratum_client.config_reader import Origins
from stratum_client.config_way import way_problem
from stratum_client.payee import MAIN, network_of
from stratum_client.setting_kinds import shown_seconds
from stratum_client.toml_lines import KeyPath

_LONGEST_NAME = 56

N = TypeVar("N", PoolConfig, DeviceConfig)


def checked(config: Config, origins: Origins) -> Config:
    """Return ``config`` with user names filled in and names made unique; raise ConfigError."""
    _check_order(config.deadlines, ("deadlines",), origins)
    pools = []
    for index, pool in enumerate(config.pools):
        path = ("pool", index)
        _check_order(pool.deadlines, (*path, "deadlines"), origins)
        ready = replace(
            pool,
            user=_user(pool.user, config.rig.name, path, origins),
            proxy=pool.proxy or config.network.proxy,
        )
        if problem := way_problem(ready):
            raise origins.error((*path, *problem[0]), problem[1])
        _check_payout_network(ready, path, origins)
        pools.append(ready)
    for index, device in enumerate(config.devices):
        _check_device(device, ("device", index), origins)
        _check_meter(device.meter, ("device", index, "meter"), origins)
    _check_meter(config.power.meter, ("power", "meter"), origins)
    if heat := config.thermal.problem:
        raise origins.error(("thermal", heat[0]), heat[1])
    if unfit := config.tuning.problem:
        raise origins.error(("tuning", unfit[0]), unfit[1])
    if config.power.inrush and (wrong := config.power.inrush.problem):
        raise origins.error(("power", "inrush", wrong[0]), wrong[1])
    _check_curtail(config.curtail, origins)
    if price := config.price.problem:
        raise origins.error(("price", price[0]), price[1])
    return replace(
        config,
        mqtt=_mqtt_of(config),
        pools=distinct(tuple(pools), lambda pool: pool.url.host),
        devices=distinct(config.devices, default_device_name),
    )


def distinct(items: tuple[N, ...], default_name: Callable[[N], str]) -> tuple[N, ...]:
    """Return ``items``, each with a name of its own: ``cpu``, ``cpu-2``.

    A name that was given is kept by the first who was given it.
    """
    given = {item.name for item in items if item.name}
    used: set[str] = set()
    named = []
    for item in items:
        name = item.name
        if not name or name in used:
            base = name or default_name(item)
            numbered = (base if n == 1 else f"{base}-{n}" for n in count(1))
            name = next(candidate for candidate in numbered if candidate not in given | used)
        used.add(name)
        named.append(replace(item, name=name))
    return tuple(named)


def default_device_name(device: DeviceConfig) -> str:
    """Return what to call a device that was given no name."""
    match = device.match
    wanted = (match.board or match.serial or match.product) if match else ""
    return (device.driver or wanted or device.port.rpartition("/")[2] or "device")[:_LONGEST_NAME]


def _user(user: str, rig: str, path: KeyPath, origins: Origins) -> str:
    for placeholder in re.findall(r"\{\w*\}", user):
        if placeholder != "{rig}":
            problem = f'"{placeholder}" means nothing here: only {{rig}} is replaced'
            raise origins.error((*path, "user"), problem)
    user = user.replace("{rig}", rig)
    try:
        check_payout_user(user)
    except AddressError as error:
        raise origins.error((*path, "user"), str(error)) from error
    return user


def _check_payout_network(pool: PoolConfig, path: KeyPath, origins: Origins) -> None:
    """Refuse to expect a payout on another network than the user's own address is of."""
    account = re.split("[._]", pool.user)[0]
    try:
        script_of(account)
    except AddressError:
        return
    address = pool.payout.address if pool.payout else account
    if (network_of(address) is MAIN) != (network_of(account) is MAIN):
        places = ("the main network", "a test network")
        here, there = places if network_of(address) is MAIN else reversed(places)
        problem = f"an address of {here}, where user has one of {there}"
        raise origins.error((*path, "payout", "address"), problem)


def _check_order(deadlines: Deadlines, path: KeyPath, origins: Origins) -> None:
    for shorter, longer in ASCENDING:
        low, high = getattr(deadlines, shorter), getattr(deadlines, longer)
        if low > high:
            problem = f"{shown_seconds(high)} is shorter than {shorter}, {shown_seconds(low)}"
            raise origins.error((*path, longer), problem)


def _check_device(device: DeviceConfig, path: KeyPath, origins: Origins) -> None:
    if not (device.driver or device.match or device.port):
        raise origins.error(path, "driver, match or port is missing: which device is meant?")
    if device.match and device.port:
        raise origins.error((*path, "match"), "a device has a port or a match, not both")
    if device.match == DeviceMatch():
        raise origins.error((*path, "match"), "an empty match fits every device")
    if device.frequency != "auto" and "frequency" in device.settings:
        raise origins.error((*path, "frequency"), "stands under settings too: leave one out")
    if device.max_temp is not None and "max_temperature" in device.settings:
        problem = "stands under settings too, as max_temperature: leave one out"
        raise origins.error((*path, "max_temp"), problem)


def _check_meter(meter: MeterConfig | None, path: KeyPath, origins: Origins) -> None:
    """Refuse a plug that cannot be asked as it is described."""
    if meter is None:
        return
    if problem := meter.problem:
        key, text = problem
        raise origins.error((*path, key), text)


def _mqtt_of(config: Config) -> MqttConfig:
    """Return the broker's settings, with the site of the rig where they name none."""
    if config.rig.site and config.mqtt.site == NO_SITE:
        return replace(config.mqtt, site=config.rig.site)
    return config.mqtt


def _check_curtail(curtail: CurtailConfig, origins: Origins) -> None:
    """Refuse keys that say too little or are called alike."""
    names: set[str] = set()
    for index, key in enumerate(curtail.keys):
        path = ("curtail", "key", index)
        if problem := key.problem:
            raise origins.error((*path, problem[0]), problem[1])
        if key.name in names:
            raise origins.error((*path, "name"), f"there is a key called {key.name} already")
        names.add(key.name)
