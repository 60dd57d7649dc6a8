"""The settings in the header of a recording, without secrets, and back; pure.

Only what decides how to talk to pools is needed again: whom to trust by TLS and which proxy to
take play no part in a replay, and devices are noted when they are opened. Whom a job must pay is
left out with the users' names.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from stratum_client.config import Config, PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.pool_order import PoolOrder, PoolVerb
from stratum_client.recording.entries import Entry, EntryError
from stratum_client.recording.masking import HIDDEN, PUBLIC_PASSWORDS, Masker
from stratum_client.setting_kinds import VERSION_MASK, Kind, Section, settings_of

T = TypeVar("T")

_KEPT = frozenset({"schema", "work", "deadlines", "pool"})
"""The sections that decide how to talk to pools; nothing of the others may leave the rig."""

_LEFT_OUT = frozenset({"tls", "proxy"})
_PLAIN = (bool, int, float, str)


def recorded_config(config: Config, masker: Masker) -> dict[str, object]:
    """Return the settings that a replay needs, users and passwords masked."""
    pools = [_recorded_pool(pool, masker) for pool in config.pools]
    return _plain(config) | ({"pool": pools} if pools else {})


def recorded_order(order: PoolOrder, masker: Masker) -> dict[str, object]:
    """Return an order about pools without the name of its pool, its settings masked likewise."""
    fields: dict[str, object] = {"order": str(order.verb)}
    if order.names:
        fields["names"] = list(order.names)
    if order.config:
        fields["pool"] = _recorded_pool(order.config, masker)
    if order.work:
        fields["work"] = _plain(order.work)
    if order.verb is PoolVerb.ADD:
        fields["enabled"] = order.enabled
    if order.comes_back:
        fields["comes_back"] = True
    return fields


def learn(config: Config, masker: Masker) -> None:
    """Let all secrets of a configuration be masked from now on."""
    masker.add_passwords(config.secrets)
    for pool in config.pools:
        learn_pool(pool, masker)


def learn_pool(pool: PoolConfig, masker: Masker) -> None:
    """Let the user, the password and the address to be paid of a pool be masked from now on."""
    masker.add_user(pool.user)
    masker.add_passwords((pool.password,))
    if pool.payout:
        masker.add_user(pool.payout.address)


def config_of(content: Mapping[str, object]) -> Config:
    """Return the settings in a header; raise EntryError. What is not known here is passed over."""
    return _read(Config, content)


def order_of(entry: Entry) -> PoolOrder:
    """Return the order that was noted; raise EntryError."""
    if entry.text("order") not in set(PoolVerb):
        raise EntryError(f'"order" is none of {", ".join(PoolVerb)}')
    verb = PoolVerb(entry.text("order"))
    names = entry.fields.get("names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EntryError('"names" is no list of names')
    pool, work = _table(entry, "pool"), _table(entry, "work")
    if verb in {PoolVerb.ADD, PoolVerb.ADJUST} and pool is None:
        raise EntryError('an order without its "pool"')
    if verb is PoolVerb.CONFIGURE and work is None:
        raise EntryError('an order without its "work"')
    return PoolOrder(
        verb=verb,
        pool=entry.name,
        names=tuple(names),
        config=None if pool is None else _read(PoolConfig, pool),
        work=None if work is None else _read(WorkConfig, work),
        enabled=entry.flag("enabled"),
        comes_back=entry.flag("comes_back"),
    )


def _table(entry: Entry, key: str) -> Mapping[str, object] | None:
    table = entry.fields.get(key)
    if table is not None and not isinstance(table, dict):
        raise EntryError(f'"{key}" is not a table')
    return table


def _recorded_pool(pool: PoolConfig, masker: Masker) -> dict[str, object]:
    plain = _plain(pool)
    plain["url"] = "#".join([str(pool.url), *sorted(pool.url.flags)])
    plain["user"] = masker.user(pool.user)
    plain["password"] = pool.password if pool.password in PUBLIC_PASSWORDS else HIDDEN
    if not masker.keeps_users:
        plain.pop("payout", None)
    return plain


def _plain(settings: object) -> dict[str, Any]:
    """Return what JSON knows of a settings dataclass, and no secret."""
    content: dict[str, Any] = {}
    for key, (name, kind) in settings_of(type(settings)).items():
        value = getattr(settings, name)
        if not _is_kept(type(settings), key) or value is None:
            continue
        if isinstance(kind, Section):
            content[key] = [_plain(one) for one in value] if kind.many else _plain(value)
        elif isinstance(kind, Kind) and isinstance(value, _PLAIN) and not _is_secret(kind):
            plain = f"{value:08x}" if kind is VERSION_MASK else value
            if _reads_as(kind, plain, value):
                content[key] = plain
    return content


def _is_kept(cls: type, key: str) -> bool:
    return key in _KEPT if cls is Config else key not in _LEFT_OUT


def _is_secret(kind: Kind) -> bool:
    return kind.secret or bool(kind.source)


def _reads_as(kind: Kind, plain: object, value: object) -> bool:
    """Return whether ``value`` is had again from ``plain``; what is not, is left out."""
    try:
        return kind.read(plain) == value
    except ValueError:
        return False


def _read(cls: type[T], content: Mapping[str, object]) -> T:
    values: dict[str, object] = {}
    for key, (name, kind) in settings_of(cls).items():
        if key not in content or not _is_kept(cls, key):
            continue
        if isinstance(kind, Section):
            values[name] = _section(kind, content[key], key)
        elif isinstance(kind, Kind) and not kind.source:
            values[name] = _value(kind, content[key], key)
    try:
        return cls(**values)
    except TypeError as error:
        raise EntryError(f"the settings are not complete: {error}") from error


def _section(section: Section, value: object, key: str) -> object:
    tables = value if isinstance(value, list) else [value]
    known = [table for table in tables if isinstance(table, dict)]
    if isinstance(value, list) != section.many or len(known) < len(tables):
        raise EntryError(f'"{key}" of the settings is not what it should be')
    read: list[object] = [_read(section.into, table) for table in known]
    return tuple(read) if section.many else read[0]


def _value(kind: Kind, value: object, key: str) -> object:
    try:
        return kind.read(value)
    except ValueError as error:
        raise EntryError(f'"{key}" of the settings cannot be {str(value)[:40]!r}') from error
