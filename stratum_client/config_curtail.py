"""The settings of orders to curtail: who may give them, and by which way."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stratum_client.control.order_keys import ED25519_KEY_SIZE
from stratum_client.control.order_message import Action
from stratum_client.setting_kinds import (
    FILE,
    HOST_LABEL,
    SECRET,
    Kind,
    NotAllowedError,
    Section,
    one_of,
    read_as,
    seconds,
    text,
)

OrderSource = Literal["mqtt", "api", "contact"]
OnSignalLost = Literal["hold-until-expiry", "idle"]

SOURCES: tuple[OrderSource, ...] = ("mqtt", "api", "contact")
SHORTEST_SECRET = 16

_ALSO = {"gpio": "contact"}
"""Other words for a source."""


def _words(value: object, known: tuple[str, ...]) -> object:
    """Return some of the words that are ``known``; an array, or a text with commas between them."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise NotAllowedError
    wanted = [_ALSO.get(word.strip(), word.strip()) for word in words if word.strip()]
    if set(wanted) - set(known):
        raise NotAllowedError
    return tuple(word for word in known if word in wanted)


def _public_key(value: object) -> object:
    if isinstance(value, str):
        try:
            if re.fullmatch("[0-9A-Fa-f]{64}", value):
                return bytes.fromhex(value)
            decoded = base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error) as error:
            raise NotAllowedError from error
        if len(decoded) == ED25519_KEY_SIZE:
            return decoded
    raise NotAllowedError


def _some_of(known: tuple[str, ...]) -> Kind:
    words = ", ".join(f'"{word}"' for word in known)
    return Kind(f"an array of some of {words}", lambda value: _words(value, known))


SOURCE_NAMES = _some_of(SOURCES)
ACTIONS = _some_of(tuple(Action))
PUBLIC_KEY = Kind("an Ed25519 public key: 64 hexadecimal digits, or base64", _public_key)
LEVEL_TEXT = text(r"\S{1,64}", "a text of 1 to 64 characters without blanks")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKeyConfig:
    """Whose signature is worth what; a ``secret`` is shared, a ``public_key`` has 32 bytes."""

    name: str = field(metadata=read_as(HOST_LABEL))
    secret: str = field(default="", repr=False, metadata=read_as(SECRET))
    public_key: bytes = field(default=b"", metadata=read_as(PUBLIC_KEY))
    may: tuple[str, ...] = field(default=tuple(Action), metadata=read_as(ACTIONS))

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return a key and what is wrong with it beside the others, None if nothing is."""
        if bool(self.secret) == bool(self.public_key):
            return "name", "a key has a secret or a public_key, one of them"
        if self.secret and len(self.secret) < SHORTEST_SECRET:
            return "secret", f"a secret has at least {SHORTEST_SECRET} characters"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactConfig:
    """A file that says whether to curtail, such as the value of a GPIO line.

    ``active`` is what it holds then; it counts once it has been so for ``debounce`` seconds.
    """

    file: Path = field(metadata=read_as(FILE))
    active: str = field(default="1", metadata=read_as(LEVEL_TEXT))
    poll: float = field(default=0.2, metadata=read_as(seconds(0.01, 60)))
    debounce: float = field(default=0.2, metadata=read_as(seconds(0, 60)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailConfig:
    """Orders from outside; ``deadline`` in seconds is how soon devices are to rest."""

    sources: tuple[OrderSource, ...] = field(default=SOURCES, metadata=read_as(SOURCE_NAMES))
    deadline: float = field(default=3.0, metadata=read_as(seconds(0.1, 600)))
    on_signal_lost: OnSignalLost = field(
        default="hold-until-expiry", metadata=read_as(one_of("hold-until-expiry", "idle"))
    )
    signal_lost_after: float = field(default=60.0, metadata=read_as(seconds(1, 86_400)))
    contact: ContactConfig | None = field(default=None, metadata=read_as(Section(ContactConfig)))
    keys: tuple[OrderKeyConfig, ...] = field(
        default=(), metadata=read_as(Section(OrderKeyConfig, many=True), "key")
    )
