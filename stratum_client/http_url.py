"""Addresses of pages and plugs; what may be a secret in one is kept out of sight; pure."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

NOT_SHOWN = "(not shown)"

_TELLING = re.compile(r"key|token|secret|pass|pw|pin|auth|sig|code|session", re.IGNORECASE)
_SHORTEST_TELLING = 4
_SHORTEST_TOKEN = 16


def parse_http_url(value: str) -> str:
    """Return ``value`` if it is the address of a page; raise ValueError, which repeats none of it.

    A ValueError without words says that there is no more to say.
    """
    if not re.fullmatch(r"[!-~]{1,1024}", value):
        raise ValueError
    try:
        place = urlsplit(value)
        is_whole = place.scheme in {"http", "https"} and place.hostname and place.port != 0
    except ValueError as error:
        raise ValueError from error
    if place.username or place.password:
        raise ValueError("user and password go into keys of their own, not into the address")
    if not is_whole or place.fragment:
        raise ValueError
    return value


def place_of(url: str) -> str:
    """Return what may be shown of an address: where it is, not what is asked for there."""
    place = urlsplit(url)
    has_page = place.path not in {"", "/"} or place.query
    return f"{place.scheme}://{place.netloc}" + (f"/{NOT_SHOWN}" if has_page else "")


def secrets_in(url: str) -> Iterator[str]:
    """Yield what is or may be a secret in an address, as it stands there and as it is meant.

    That is what a telling name stands before, what is as long as only a token is, and with such a
    word in the query all that is asked for.
    """
    place = urlsplit(url)
    words = tuple(_of_query(place))
    if words:
        yield f"{place.path}?{place.query}"
    yield from words
    for part in place.path.split("/"):
        if len(part) >= _SHORTEST_TOKEN and re.search("[0-9]", part) and "." not in part:
            yield part
            yield unquote(part)


def _of_query(place: SplitResult) -> Iterator[str]:
    raw = dict(part.partition("=")[::2] for part in place.query.split("&"))
    for name, value in parse_qsl(place.query):
        is_told = _TELLING.search(name) and len(value) >= _SHORTEST_TELLING
        if is_told or len(value) >= _SHORTEST_TOKEN:
            yield value
            yield raw.get(name, value)
