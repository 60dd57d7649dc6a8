"""TLS as a pool's settings want it: the context, the check of pins, and what came of it.

Nothing of ours is written before the pins are checked: `Gate` stands between the handshake and the
protocol of the pool.
"""

import asyncio
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path

from stratum_client.certificate import Certificate, CertificateError, parse_certificate
from stratum_client.config import TlsConfig, Verify
from stratum_client.errors import PinMismatchError, TlsError

MOST_UNSENT = 1 << 16
"""Bytes after which a pool counts as not reading; asyncio's own limit is 8 times that with TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """A handshake that succeeded; ``cipher`` as OpenSSL calls it."""

    version: str
    cipher: str
    verify: Verify
    certificate: Certificate

    @property
    def pin(self) -> str:
        """Return what to write into pin_sha256: the digest of the public key, 64 digits."""
        return self.certificate.key_fingerprint.hex()


class CaFileError(Exception):
    """A file of CA certificates is of no use; the text says why."""


def client_context(trust: TlsConfig) -> ssl.SSLContext:
    """Return a context for one connection; reads files, so not on the event loop.

    Raises CaFileError.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.verify in ("pin", "insecure"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.ca_file is not None:
        _trust_file(context, trust.ca_file)
    return context


def host_for_tls(host: str) -> str:
    """Return a host as it is asked for and looked up in certificates: without a dot at the end."""
    return host.rstrip(".")


class Gate(asyncio.Protocol):
    """Lets ``behind`` have the connection if the peer is whom the settings trust.

    Else it ends the connection at once, and ``problem`` says why.
    """

    def __init__(self, behind: asyncio.Protocol, address: str, trust: TlsConfig) -> None:
        self.facts: TlsFacts | None = None
        self.problem: TlsError | None = None
        self._behind = behind
        self._address = address
        self._trust = trust

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look at the certificate, and step aside."""
        assert isinstance(transport, asyncio.Transport)
        try:
            self.facts = _facts_of(transport, self._address, self._trust)
        except TlsError as error:
            self.problem = error
            transport.abort()
            return
        transport.set_write_buffer_limits(high=MOST_UNSENT)
        transport.set_protocol(self._behind)
        self._behind.connection_made(transport)


class CertificateViewer(asyncio.Protocol):
    """Takes note of the certificate it is shown and hangs up without a word."""

    def __init__(self) -> None:
        self.certificate: Certificate | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look, and hang up."""
        assert isinstance(transport, asyncio.Transport)
        try:
            self.certificate = _certificate_of(transport)
        except CertificateError:
            self.certificate = None
        transport.abort()


def _facts_of(transport: asyncio.Transport, address: str, trust: TlsConfig) -> TlsFacts:
    try:
        certificate = _certificate_of(transport)
    except CertificateError as error:
        raise TlsError(address, f"the pool's certificate cannot be read: {error}") from error
    if trust.pin_sha256 and not _is_pinned(certificate, trust.pin_sha256):
        raise PinMismatchError(
            address,
            certificate=certificate.fingerprint.hex(),
            public_key=certificate.key_fingerprint.hex(),
        )
    session = transport.get_extra_info("ssl_object")
    return TlsFacts(
        version=session.version() or "TLS",
        cipher=str((session.cipher() or ("",))[0]),
        verify=trust.verify,
        certificate=certificate,
    )


def _certificate_of(transport: asyncio.Transport) -> Certificate:
    return parse_certificate(
        transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    )


def _is_pinned(certificate: Certificate, pins: tuple[bytes, ...]) -> bool:
    shown = (certificate.fingerprint, certificate.key_fingerprint)
    return any(hmac.compare_digest(pin, digest) for pin in pins for digest in shown)


def _trust_file(context: ssl.SSLContext, path: Path) -> None:
    """Trust the certificates in a PEM file, each by itself: home-made CAs are rarely strict."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise CaFileError(f"ca_file {path} holds no certificate in PEM form") from error
    except OSError as error:
        raise CaFileError(f"ca_file {path} cannot be read: {error.strerror}") from error
