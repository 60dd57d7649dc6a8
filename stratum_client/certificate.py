"""What an X.509 certificate says, as far as a pool's owner and a pin need it. Pure.

A walk over DER that knows nothing of signatures: whom to trust is decided by OpenSSL, or by a pin.
It takes strict DER only, so that nobody can write a certificate in which this walk and OpenSSL
find different keys.

Source: RFC 5280, sections 4.1 and 4.2.1.6 (Certificate, SubjectAltName); X.690, sections 8.1 and
10.1 (DER's lengths).
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stratum_client.wire import printable

_INTEGER, _BIT_STRING, _OCTET_STRING, _OID = 0x02, 0x03, 0x04, 0x06
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_SEQUENCE, _SET = 0x30, 0x31
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87

_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("550406"): "C",
}
_ENCODINGS = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_LONGEST = 120
_MOST_NAMES = 20


class CertificateError(ValueError):
    """Bytes are not a certificate in strict DER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate; ``public_key`` is its SubjectPublicKeyInfo, names are fit to be printed.

    ``names`` are the host names and IP addresses it is for, at most 20 of them.
    """

    der: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]

    @property
    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the whole certificate, 32 bytes."""
        return hashlib.sha256(self.der).digest()

    @property
    def key_fingerprint(self) -> bytes:
        """Return the SHA-256 of its public key, 32 bytes; the same after a renewal with the key."""
        return hashlib.sha256(self.public_key).digest()


@dataclass(frozen=True, slots=True)
class _Element:
    """A tag with its content; ``whole`` has both and the length between them."""

    tag: int
    content: bytes
    whole: bytes


def parse_certificate(der: bytes) -> Certificate:
    """Return the certificate in ``der``; raise CertificateError."""
    outer = list(_elements(der))
    if len(outer) != 1:
        raise CertificateError("not one certificate")
    signed = _one(_fields(outer[0]), _SEQUENCE)
    parts = _fields(signed)
    first = _next(parts)
    if first.tag == _VERSION:
        first = _next(parts)
    if first.tag != _INTEGER:
        raise CertificateError("no serial number")
    _one(parts, _SEQUENCE)  # the algorithm of the signature
    issuer = _one(parts, _SEQUENCE)
    dates = _fields(_one(parts, _SEQUENCE))
    subject = _one(parts, _SEQUENCE)
    key = _one(parts, _SEQUENCE)
    _check_key(key)
    return Certificate(
        der=der,
        public_key=key.whole,
        subject=_text_of(subject),
        issuer=_text_of(issuer),
        not_before=_time_of(_next(dates)),
        not_after=_time_of(_next(dates)),
        names=_names_in(parts),
    )


def _elements(data: bytes) -> Iterator[_Element]:
    at = 0
    while at < len(data):
        start, tag = at, data[at]
        if tag & 0x1F == 0x1F:
            raise CertificateError("a tag of several bytes")
        at, size = _length_at(data, at + 1)
        if size > len(data) - at:
            raise CertificateError("an element is longer than what holds it")
        yield _Element(tag, data[at : at + size], data[start : at + size])
        at += size


def _length_at(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content begins and how long it is, for the length that stands at ``at``."""
    if at >= len(data):
        raise CertificateError("an element has no length")
    first = data[at]
    if first < 0x80:
        return at + 1, first
    count = first - 0x80
    digits = data[at + 1 : at + 1 + count]
    size = int.from_bytes(digits, "big")
    shortest = count in (1, 2, 3) and len(digits) == count and size >= 0x80 and digits[0] > 0
    if not shortest:
        raise CertificateError("a length is not as DER has it")
    return at + 1 + count, size


def _fields(element: _Element) -> Iterator[_Element]:
    if element.tag != _SEQUENCE:
        raise CertificateError("something else where a sequence belongs")
    return _elements(element.content)


def _next(elements: Iterator[_Element]) -> _Element:
    element = next(elements, None)
    if element is None:
        raise CertificateError("something is missing")
    return element


def _one(elements: Iterator[_Element], tag: int) -> _Element:
    element = _next(elements)
    if element.tag != tag:
        raise CertificateError(f"tag {element.tag:02x} where {tag:02x} belongs")
    return element


def _check_key(key: _Element) -> None:
    parts = _fields(key)
    _one(parts, _SEQUENCE)
    _one(parts, _BIT_STRING)
    if next(parts, None):
        raise CertificateError("more than a public key")


def _time_of(element: _Element) -> datetime:
    text = element.content.decode("latin-1")
    if element.tag == _UTC_TIME and re.fullmatch("[0-9]{12}Z", text, re.ASCII):
        text = ("19" if text >= "50" else "20") + text
    elif element.tag != _GENERALIZED_TIME or not re.fullmatch("[0-9]{14}Z", text, re.ASCII):
        raise CertificateError("a time is none")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise CertificateError("a time is none") from error


def _text_of(name: _Element) -> str:
    """Return the well-known parts of a name, such as ``CN=pool.example, O=Pool``."""
    parts = []
    for group in _fields(name):
        if group.tag != _SET:
            raise CertificateError("something else where a set belongs")
        for attribute in _elements(group.content):
            fields = _fields(attribute)
            label = _ATTRIBUTES.get(_one(fields, _OID).content)
            value = _next(fields)
            if label:
                encoding = _ENCODINGS.get(value.tag, "utf-8")
                shown = printable(value.content.decode(encoding, "replace"), _LONGEST)
                parts.append(f"{label}={shown}")
    return ", ".join(parts)[: 2 * _LONGEST]


def _names_in(parts: Iterator[_Element]) -> tuple[str, ...]:
    for part in parts:
        if part.tag == _EXTENSIONS:
            for extension in _fields(_one(_elements(part.content), _SEQUENCE)):
                fields = _fields(extension)
                if _one(fields, _OID).content == _SUBJECT_ALT_NAME:
                    return _alternative_names(list(fields))
    return ()


def _alternative_names(fields: list[_Element]) -> tuple[str, ...]:
    if not fields or fields[-1].tag != _OCTET_STRING:
        raise CertificateError("an extension without a value")
    names = []
    for name in _fields(_one(_elements(fields[-1].content), _SEQUENCE)):
        if name.tag == _DNS_NAME:
            names.append(printable(name.content.decode("latin-1"), _LONGEST))
        elif name.tag == _IP_ADDRESS and len(name.content) in (4, 16):
            names.append(str(ipaddress.ip_address(name.content)))
    return tuple(names[:_MOST_NAMES])
