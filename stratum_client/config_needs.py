"""Which optional packages a configuration needs, and which of them are missing.

What each extra holds stands in pyproject.toml.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote

from stratum_client.config import Config
from stratum_client.proxy_url import ProxyUrl
from stratum_client.toml_lines import KeyPath

_ON_GPIO = frozenset({"piaxe"})
"""Boards on the header of a small computer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A setting at ``path`` that is of no use without the ``modules`` of an extra.

    Without it `run` does not start where ``is_hard``, and goes on without this part elsewhere.
    """

    path: KeyPath
    what: str
    extra: str
    modules: tuple[str, ...]
    is_hard: bool = False

    def problem(self, pip: str) -> str:
        """Return what is missing, and the command that puts it right."""
        command = f"{pip} {quote(f'stratum-client[{self.extra}]')}"
        return f'{self.what} needs the extra "{self.extra}", which is not installed: {command}'


def needs_of(config: Config) -> Iterator[Need]:
    """Yield what the settings need, by their order in a file."""
    yield from _proxies(config)
    for index, device in enumerate(config.devices):
        if {device.driver, device.match.board if device.match else ""} & _ON_GPIO:
            what = f"{device.name} on GPIO"
            yield Need(path=("device", index), what=what, extra="gpio", modules=("gpiod",))
    if config.calendars:
        modules = ("icalendar", "recurring_ical_events")
        at, what = ("calendar", 0, "file"), "a calendar"
        yield Need(path=at, what=what, extra="calendar", modules=modules, is_hard=True)
    if config.mqtt.url:
        yield Need(path=("mqtt", "url"), what="MQTT", extra="mqtt", modules=("aiomqtt",))
    for index, key in enumerate(config.curtail.keys):
        if key.public_key:
            path = ("curtail", "key", index, "public_key")
            yield _signing(path, "an Ed25519 key", is_hard=True)
    if config.energy.key_file:
        yield _signing(("energy", "key_file"), "a signed account of energy", is_hard=False)
    if config.price.source == "nordpool":
        what, modules = "Nord Pool", ("pynordpool", "aiohttp")
        yield Need(path=("price", "source"), what=what, extra="prices", modules=modules)


def missing(config: Config, import_problem: Callable[[str], str]) -> Iterator[Need]:
    """Yield what is needed and cannot be imported, as ``import_problem`` says of a module."""
    for need in needs_of(config):
        if any(import_problem(module) for module in need.modules):
            yield need


def _signing(path: KeyPath, what: str, *, is_hard: bool) -> Need:
    modules = ("cryptography",)
    return Need(path=path, what=what, extra="signing", modules=modules, is_hard=is_hard)


def _proxies(config: Config) -> Iterator[Need]:
    paths: list[KeyPath] = [("network", "proxy")] if config.network.proxy else []
    paths += [
        ("pool", index, "proxy")
        for index, pool in enumerate(config.pools)
        if isinstance(pool.proxy, ProxyUrl) and pool.proxy != config.network.proxy
    ]
    for path in paths:
        yield Need(
            path=path, what="SOCKS5", extra="proxy", modules=("python_socks.async_.asyncio",)
        )
