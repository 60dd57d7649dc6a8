"""Why a TLS handshake failed, in words that help to put it right. Pure but for ssl's names.

Source: OpenSSL's x509_vfy.h for the codes of a failed verification.
"""

import ssl
from datetime import datetime

from stratum_client.certificate import Certificate

_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = {18, 19, 20, 21}
_WRONG_HOST = {62, 64}
_NOT_TLS = {"WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"}
_NOT_TLS |= {"PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
_MOST_NAMES = 5

PLAIN_HINT = "if that port is for plain TCP, the address begins with stratum+tcp://"


def handshake_problem(error: OSError) -> str:
    """Return why there was no handshake, for anything but an untrusted certificate."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return f"the pool hung up in the handshake; {PLAIN_HINT}"
    reason = error.reason or ""
    if reason == "UNSUPPORTED_PROTOCOL":
        return "the pool speaks no TLS 1.2 or newer"
    if reason in _NOT_TLS:
        return f"what answers there does not speak TLS; {PLAIN_HINT}"
    if "ALERT" in reason:
        alert = reason.replace("SSLV3_", "").replace("TLSV1_", "").replace("TLSV13_", "")
        return f"the pool refused the handshake ({alert.replace('_', ' ').lower()})"
    return f"the handshake failed ({reason.replace('_', ' ').lower() or 'no reason given'})"


def trust_problem(
    error: ssl.SSLCertVerificationError, seen: Certificate | None, host: str, now: datetime
) -> str:
    """Return why a certificate is not trusted; ``seen`` is what the pool shows, if it is known."""
    code = error.verify_code
    if code == _EXPIRED:
        return _expired(seen, now)
    if code == _NOT_YET_VALID:
        since = f" before {_date(seen.not_before)}" if seen else " yet"
        return f"the certificate is not valid{since}; here it is {_date(now)}: is the clock right?"
    if code in _WRONG_HOST:
        return f"the certificate is for {_names(seen)}, not for {host}"
    if code in _UNKNOWN_ISSUER:
        return _unknown_issuer(seen)
    return f"the certificate is not trusted ({error.verify_message})"


def _expired(seen: Certificate | None, now: datetime) -> str:
    clock = f"; here it is {_date(now)}: is the clock right?"
    if seen is None:
        return f"the certificate has expired{clock}"
    if seen.not_after > now:
        return f"a certificate above the pool's has expired{clock}"
    return f"the certificate expired on {_date(seen.not_after)}{clock}"


def _names(seen: Certificate | None) -> str:
    names = (seen.names or (seen.subject,)) if seen else ()
    if not names or not names[0]:
        return "another host"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _unknown_issuer(seen: Certificate | None) -> str:
    if seen is None:
        return "nobody known here vouches for the certificate"
    by = "itself" if seen.issuer == seen.subject else seen.issuer or "somebody without a name"
    return (
        f"the certificate is signed by {by}, which nobody here knows; if that is right, put into"
        f' the [[pool]]: tls = {{ verify = "pin", pin_sha256 = ["{seen.key_fingerprint.hex()}"] }}'
    )


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
