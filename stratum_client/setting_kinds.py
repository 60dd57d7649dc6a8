"""Kinds of settings: what each accepts, how it reads a value of TOML, and how it says no.

A field of a settings dataclass names its kind: ``field(default=10.0, metadata=read_as(SECONDS))``.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from stratum_client.bitcoin_address import AddressError, script_of
from stratum_client.pool_url import parse_pool_url
from stratum_client.proxy_url import EXAMPLE as PROXY_EXAMPLE
from stratum_client.proxy_url import parse_proxy_url
from stratum_client.units import UnitError, parse_duration

_INTEGER = "[+-]?(?:0|[1-9][0-9]{0,18})"
_FLOAT = r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?"
_SHOWN = 60


class NotAllowedError(ValueError):
    """A value is not what its kind allows, and that is all there is to say."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value, in words (``allowed``) and as the function that reads it.

    ``read`` returns what the program works with; it raises NotAllowedError, or another ValueError
    when it knows better what is wrong. A secret's value is shown nowhere; ``hint`` returns what may
    be known of it. ``source`` is what names the place of a secret instead of holding it: ``_file``
    or ``_env``.
    """

    allowed: str
    read: Callable[[object], object]
    secret: bool = False
    source: str = ""
    hint: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A table, or with ``many`` an array of tables, read into the dataclass ``into``."""

    into: type
    many: bool = False


class Bare(str):
    """A value without a type, as the environment and the command line give it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FreeTable:
    """A table whose keys anybody may choose, each value of one kind."""

    each: Kind


AnyKind = Kind | Section | FreeTable


def read_as(kind: AnyKind, key: str = "") -> dict[str, object]:
    """Return the metadata of a dataclass field that is read as ``kind``.

    ``key`` is its name in TOML, where that is not the field's.
    """
    return {"kind": kind, "key": key}


def settings_of(cls: type) -> dict[str, tuple[str, AnyKind]]:
    """Return the keys of a settings dataclass, each with its field's name and its kind.

    A secret may also stand in a file or in an environment variable, which KEY_file or KEY_env name.
    """
    keys: dict[str, tuple[str, AnyKind]] = {}
    for field in fields(cls):
        if kind := field.metadata.get("kind"):
            key = field.metadata["key"] or field.name
            keys[key] = field.name, kind
            if isinstance(kind, Kind) and kind.secret:
                keys[f"{key}_file"] = field.name, replace(PATH, source="_file")
                keys[f"{key}_env"] = field.name, replace(WORDS, source="_env")
    return keys


def read_value(kind: Kind, value: object) -> object:
    """Return what ``kind`` makes of ``value``; a bare one may be text or what it looks like."""
    try:
        read = kind.read(value)
    except ValueError:
        scalar = scalar_of(value) if isinstance(value, Bare) else ""
        if isinstance(scalar, str):
            raise
        return kind.read(scalar)
    return str(read) if isinstance(read, Bare) else read


def one_of(*words: str) -> Kind:
    """Return the kind of setting that takes one of ``words``."""

    def read(value: object) -> object:
        if value in words:
            return value
        raise NotAllowedError

    return Kind(" or ".join(f'"{word}"' for word in words), read)


def seconds(low: float = 0.001, high: float = 86_400.0) -> Kind:
    """Return the kind of setting that takes a time from ``low`` to ``high`` seconds."""

    def read(value: object) -> object:
        try:
            time = parse_duration(value)
        except UnitError as error:
            raise NotAllowedError from error
        if low <= time <= high:
            return time
        raise NotAllowedError

    return Kind(f'a time from {shown_seconds(low)} to {shown_seconds(high)}, as in "90s"', read)


def or_auto(kind: Kind) -> Kind:
    """Return the kind of setting that may also be "auto"."""
    return Kind(
        f'{kind.allowed}, or "auto"', lambda value: "auto" if value == "auto" else kind.read(value)
    )


def with_unit(value: float, kind: object) -> str:
    """Return a number as a setting of this kind is spelt; empty where that has no unit."""
    allowed = kind.allowed if isinstance(kind, Kind) else ""
    if allowed.startswith("a time"):
        return shown_seconds(value)
    return f"{value:.12g}W" if allowed.startswith("a power") else ""


def number(low: float, high: float, *words: str) -> Kind:
    """Return the kind of setting that takes a number from ``low`` to ``high``, or a word."""

    def read(value: object) -> object:
        match value:
            case bool():
                raise NotAllowedError
            case int() | float() if low <= value <= high:
                return value
            case str() if value in words:
                return value
        raise NotAllowedError

    alternatives = "".join(f'"{word}" or ' for word in words)
    return Kind(f"{alternatives}a number from {low:g} to {high:g}", read)


def whole(low: int, high: int) -> Kind:
    """Return the kind of setting that takes an integer from ``low`` to ``high``."""

    def read(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise NotAllowedError

    return Kind(f"a whole number from {low} to {high}", read)


def text(pattern: str, allowed: str) -> Kind:
    """Return the kind of setting that takes a text wholly matched by ``pattern``."""

    def read(value: object) -> object:
        if isinstance(value, str) and re.fullmatch(pattern, value) and value.isprintable():
            return value
        raise NotAllowedError

    return Kind(allowed, read)


def scalar_of(value: str) -> str | int | float | bool:
    """Return ``value`` as TOML would read it; what is no number or boolean is text as it stands."""
    if value in {"true", "false"}:
        return value == "true"
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    if re.fullmatch(_INTEGER, value):
        return int(value)
    return float(value) if re.fullmatch(_FLOAT, value) else value


def problem_with(value: object, kind: Kind, error: ValueError) -> str:
    """Return what ``error`` found wrong with ``value``, in words; a secret is not repeated."""
    if not isinstance(error, NotAllowedError):
        return str(error)
    found = "something else (not shown)" if kind.secret else described(value)
    return f"expected {kind.allowed}, found {found}"


def described(value: object) -> str:
    """Return ``value`` in the words of an error message, short and printable."""
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int():
            return f"the number {value}" if abs(value) < 10**20 else "a huge number"
        case float():
            return f"the number {value!r}"
        case str():
            return f'the text "{printable(value)}"'
        case dict() | list():
            return "a table" if isinstance(value, dict) else "an array"
    return "a date or time"


def printable(value: str) -> str:
    """Return ``value`` on one line, at most 60 characters, without anything a terminal obeys."""
    start = value[:_SHOWN]
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in start)
    return safe if len(value) <= _SHOWN else safe + "…"


def shown_seconds(value: float) -> str:
    """Return ``value`` seconds with the largest unit that divides it."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if value >= size and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value * 1000:g}ms"


def _schema(value: object) -> object:
    if value == 1 and type(value) is int:
        return value
    raise NotAllowedError


def _boolean(value: object) -> object:
    if isinstance(value, bool):
        return value
    raise NotAllowedError


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in ("auto", "on", "off"):
        return value
    raise NotAllowedError


def _version_mask(value: object) -> object:
    if isinstance(value, str) and re.fullmatch("(0[xX])?[0-9a-fA-F]{8}", value):
        return int(value, 16)
    raise NotAllowedError


def _pool_url(value: object) -> object:
    if isinstance(value, str):
        return parse_pool_url(value)
    raise NotAllowedError


def _proxy(value: object) -> object:
    if isinstance(value, str):
        return parse_proxy_url(value)
    raise NotAllowedError


def _proxy_or_none(value: object) -> object:
    return value if value == "none" else _proxy(value)


def _pins(value: object) -> object:
    """Return SHA-256 digests of 32 bytes; an array, or a text with commas between them."""
    pins = value.split(",") if isinstance(value, str) else value
    if not isinstance(pins, list) or not all(isinstance(pin, str) for pin in pins):
        raise NotAllowedError
    return tuple(_pin(pin.strip()) for pin in pins)


def _pin(text: str) -> bytes:
    digits = re.sub("^sha256(:|//?)", "", text, flags=re.IGNORECASE)
    try:
        if re.fullmatch("[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}", digits):
            return bytes.fromhex(digits.replace(":", ""))
        if re.fullmatch("[A-Za-z0-9+/]{43}=", digits):
            return base64.b64decode(digits, validate=True)
    except ValueError as error:
        raise NotAllowedError from error
    raise NotAllowedError


def _address(value: object) -> object:
    if not isinstance(value, str) or not value.isprintable():
        raise NotAllowedError
    try:
        script_of(value)
    except AddressError as error:
        raise ValueError(f'"{printable(value)}" {error.problem}; copy it again') from error
    return value


def _secret(value: object) -> object:
    if isinstance(value, str) and value.isprintable() and len(value) <= 256:
        return value
    raise NotAllowedError


def _path(value: object) -> object:
    if isinstance(value, str) and 0 < len(value) <= 1024 and value.isprintable():
        return value
    raise NotAllowedError


def _file_path(value: object) -> object:
    try:
        return Path(str(_path(value))).expanduser()
    except RuntimeError as error:
        raise ValueError("the home directory in it is not known") from error


def _anything(value: object) -> object:
    return scalar_of(value) if isinstance(value, Bare) else value


SCHEMA = Kind("1, the only format that this program knows", _schema)
BOOLEAN = Kind("true or false", _boolean)
SWITCH = Kind('"auto", "on" or "off"', _switch)
SECONDS = seconds()
NAME = text(r"\S(.{0,62}\S)?", "a text of 1 to 64 printable characters")
LINE = text(r"\S(.{0,254}\S)?", "a text of 1 to 256 printable characters")
USER = text(
    r"\S(.{0,254}\S)?", 'the name of an account or a Bitcoin address, as in "ADDRESS.{rig}"'
)
HOST_LABEL = text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", 'letters, digits, "-", "_" and "."')
WORDS = text(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}", 'letters, digits, "-", "_", "." and ":"')
PATH = Kind("a path", _path)
DIRECTORY = Kind("the path of a directory", _file_path)
FILE = Kind("the path of a file", _file_path)
DIFFICULTY = number(2.0**-32, 2.0**128, "auto", "off")
VERSION_MASK = Kind('8 hexadecimal digits in quotes, as in "1fffe000"', _version_mask)
ADDRESS = Kind("a Bitcoin address", _address)
POOL_URL = Kind("the address of a pool, as in stratum+tcp://pool.example:3333", _pool_url)
SECRET = Kind("a text of up to 256 printable characters", _secret, secret=True)
PROXY = Kind(f"the address of a SOCKS5 proxy, as in {PROXY_EXAMPLE}", _proxy, secret=True)
PROXY_OR_NONE = Kind(f'"none" or {PROXY.allowed}', _proxy_or_none, secret=True)
PINS = Kind("an array of SHA-256 digests, each 64 hexadecimal digits or base64", _pins)
ANYTHING = Kind("anything", _anything)
