"""What differs between two configurations, as changes that can be applied one by one; pure.

Pools and devices are told apart by their names. Everything else changes section by section; what a
running daemon cannot take over says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar

from stratum_client.config import Config, DeviceConfig, PoolConfig
from stratum_client.setting_kinds import settings_of, with_unit

N = TypeVar("N", PoolConfig, DeviceConfig)

LIVE_SECTIONS = frozenset(
    {
        "log",
        "work",
        "windows",
        "schedule",
        "mqtt",
        "curtail",
        "calendars",
        "power",
        "tuning",
        "tariffs",
        "energy",
        "price",
    }
)
"""What a running daemon takes over as a whole."""

SILENT_SECTIONS = frozenset({"deadlines", "network", "path", "warnings", "schema"})
"""What concerns nobody by itself: pools have deadlines and proxies as settings of their own."""

LIVE_POOL_KEYS = frozenset({"quota", "deadlines", "share_interval"})
"""Settings of a pool that need no new session; deadlines hold from the next one on."""

LIVE_DEVICE_KEYS = frozenset({"limit", "meter"})
"""Settings of a device for which it is not started anew: they are not of its driver."""

_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAdded:
    """A pool that was not there; the order of pools is told by itself."""

    pool: PoolConfig

    def __str__(self) -> str:
        """Return the change in words."""
        return f"pool {self.pool.name}: new, at {self.pool.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRemoved:
    """A pool that is gone."""

    name: str

    def __str__(self) -> str:
        """Return the change in words."""
        return f"pool {self.name}: removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChanged:
    """A pool with other settings than before."""

    old: PoolConfig
    new: PoolConfig

    @property
    def reconnects(self) -> bool:
        """Return whether a new session is needed."""
        return not _changed_fields(self.old, self.new) <= LIVE_POOL_KEYS

    def __str__(self) -> str:
        """Return the change in words."""
        session = "a new session for " if self.reconnects else ""
        return f"pool {self.new.name}: {session}{_words(self.old, self.new)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsArranged:
    """The order of all pools, when it is not what additions and removals leave."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return the change in words."""
        return f"pools: the order is {', '.join(self.names)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded:
    """A device that was not there."""

    device: DeviceConfig

    def __str__(self) -> str:
        """Return the change in words."""
        return f"device {self.device.name}: new"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRemoved:
    """A device that is gone."""

    name: str

    def __str__(self) -> str:
        """Return the change in words."""
        return f"device {self.name}: removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanged:
    """A device with other settings than before: it may be started anew, its counters go on."""

    old: DeviceConfig
    new: DeviceConfig

    @property
    def restarts(self) -> bool:
        """Return whether the device is started anew."""
        return not _changed_fields(self.old, self.new) <= LIVE_DEVICE_KEYS

    def __str__(self) -> str:
        """Return the change in words."""
        start = "started anew for " if self.restarts else ""
        return f"device {self.new.name}: {start}{_words(self.old, self.new)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesArranged:
    """The order of devices in the file, which nothing hangs on."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return the change in words."""
        return f"devices: the order is {', '.join(self.names)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionChanged:
    """Any other part of the configuration, as a whole."""

    section: str
    old: object
    new: object
    is_live: bool

    def __str__(self) -> str:
        """Return the change in words."""
        words = _words(self.old, self.new, self.section)
        return words if self.is_live else f"needs a restart: {words}"


Change = (
    PoolAdded
    | PoolRemoved
    | PoolChanged
    | PoolsArranged
    | DeviceAdded
    | DeviceRemoved
    | DeviceChanged
    | DevicesArranged
    | SectionChanged
)


def difference(old: Config, new: Config) -> tuple[Change, ...]:
    """Return the changes that make ``new`` of ``old``, in an order in which they can be applied."""
    changes: list[Change] = []
    for field in fields(Config):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before == after:
            continue
        if field.name == "pools":
            changes += _pool_changes(before, after)
        elif field.name == "devices" and before and after:
            changes += _device_changes(before, after)
        else:  # also devices, where those of the file take the place of those found, or reverse
            is_live = field.name in LIVE_SECTIONS | SILENT_SECTIONS
            changes.append(
                SectionChanged(section=field.name, old=before, new=after, is_live=is_live)
            )
    return tuple(changes)


def is_applicable(change: Change) -> bool:
    """Return whether a running daemon can take the change over."""
    return not isinstance(change, SectionChanged) or change.is_live


def is_told(change: Change) -> bool:
    """Return whether a change is worth words."""
    if isinstance(change, SectionChanged):
        return change.section not in SILENT_SECTIONS
    return not isinstance(change, DevicesArranged)


def applied(config: Config, changes: Sequence[Change]) -> Config:
    """Return ``config`` with ``changes``."""
    for change in changes:
        config = _with(config, change)
    return config


def _with(config: Config, change: Change) -> Config:
    match change:
        case SectionChanged(section=section, new=new):
            return replace(config, **{section: new})  # type: ignore[arg-type]  # a field by name
        case PoolAdded() | PoolRemoved() | PoolChanged() | PoolsArranged():
            return replace(config, pools=_pools_with(config.pools, change))
        case _:
            return replace(config, devices=_devices_with(config.devices, change))


def _pools_with(
    pools: tuple[PoolConfig, ...], change: PoolAdded | PoolRemoved | PoolChanged | PoolsArranged
) -> tuple[PoolConfig, ...]:
    match change:
        case PoolAdded(pool=pool):
            return (*pools, pool)
        case PoolRemoved(name=name):
            return tuple(pool for pool in pools if pool.name != name)
        case PoolChanged(new=new):
            return tuple(new if pool.name == new.name else pool for pool in pools)
        case PoolsArranged(names=names):
            return _arranged(pools, names)


def _devices_with(
    devices: tuple[DeviceConfig, ...],
    change: DeviceAdded | DeviceRemoved | DeviceChanged | DevicesArranged,
) -> tuple[DeviceConfig, ...]:
    match change:
        case DeviceAdded(device=device):
            return (*devices, device)
        case DeviceRemoved(name=name):
            return tuple(device for device in devices if device.name != name)
        case DeviceChanged(new=new):
            return tuple(new if device.name == new.name else device for device in devices)
        case DevicesArranged(names=names):
            return _arranged(devices, names)


def _pool_changes(old: tuple[PoolConfig, ...], new: tuple[PoolConfig, ...]) -> Iterator[Change]:
    gone, changed, added, is_arranged = _compared(old, new)
    yield from (PoolRemoved(name=name) for name in gone)
    yield from (PoolChanged(old=before, new=after) for before, after in changed)
    yield from (PoolAdded(pool=pool) for pool in added)
    if not is_arranged:
        yield PoolsArranged(names=tuple(pool.name for pool in new))


def _device_changes(
    old: tuple[DeviceConfig, ...], new: tuple[DeviceConfig, ...]
) -> Iterator[Change]:
    gone, changed, added, is_arranged = _compared(old, new)
    yield from (DeviceRemoved(name=name) for name in gone)
    yield from (DeviceChanged(old=before, new=after) for before, after in changed)
    yield from (DeviceAdded(device=device) for device in added)
    if not is_arranged:
        yield DevicesArranged(names=tuple(device.name for device in new))


def _compared(
    old: tuple[N, ...], new: tuple[N, ...]
) -> tuple[list[str], list[tuple[N, N]], list[N], bool]:
    """Return names gone, pairs changed, items added, and whether that leaves ``new``'s order."""
    before, after = {item.name: item for item in old}, {item.name: item for item in new}
    gone = [name for name in before if name not in after]
    kept: list[str] = [name for name in before if name in after]
    changed = [(before[name], after[name]) for name in kept if before[name] != after[name]]
    added: list[N] = [item for name, item in after.items() if name not in before]
    left: list[str] = [*kept, *(item.name for item in added)]
    return gone, changed, added, left == [item.name for item in new]


def _arranged(items: tuple[N, ...], names: Sequence[str]) -> tuple[N, ...]:
    by_name = {item.name: item for item in items}
    return tuple(by_name[name] for name in names)


# --- in words ---


def _changed_fields(old: object, new: object) -> set[str]:
    assert is_dataclass(old)
    assert is_dataclass(new)
    return {f.name for f in fields(old) if getattr(old, f.name) != getattr(new, f.name)}


def _words(old: object, new: object, path: str = "") -> str:
    return ", ".join(_differences(old, new, path))


def _differences(old: object, new: object, path: str, kind: object = None) -> Iterator[str]:
    """Yield each setting that differs, with its values unless they are nobody's business."""
    if is_dataclass(old) and _is_section(old) and type(old) is type(new):
        for field in fields(old):
            before, after = getattr(old, field.name), getattr(new, field.name)
            if before == after:
                continue
            name = f"{path}.{field.name}".removeprefix(".")
            if field.repr:
                yield from _differences(before, after, name, field.metadata.get("kind"))
            else:
                yield name
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield from _differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, tuple) and isinstance(new, tuple):
        yield f"{path}{_named(old, new)}"
    elif _is_section(old) or _is_section(new) or isinstance(old, tuple):
        yield path
    else:
        yield f"{path} {_shown(old, kind)} -> {_shown(new, kind)}"


def _named(old: tuple[object, ...], new: tuple[object, ...]) -> str:
    """Return which of several tables are new, gone or changed; empty where they have no names."""
    before, after = ({getattr(one, "name", ""): one for one in tables} for tables in (old, new))
    if "" in {*before, *after}:
        return ""
    told = [
        f"{name} {'new' if name not in before else 'gone'}" for name in before.keys() ^ after.keys()
    ]
    told += [f"{name} changed" for name in before if after.get(name, before[name]) != before[name]]
    return f" ({', '.join(sorted(told))})" if told else ""


def _is_section(value: object) -> bool:
    return is_dataclass(value) and bool(settings_of(type(value)))


def _shown(value: object, kind: object) -> str:
    """Return a value as a configuration spells it: with its unit."""
    if isinstance(value, float):
        return with_unit(value, kind) or f"{value:g}"
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
