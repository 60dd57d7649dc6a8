"""How a pool was reached, in words: proxy, TLS, and whose certificate it showed. Pure."""

from datetime import datetime, timedelta

from stratum_client.route import LinkFacts
from stratum_client.tls import TlsFacts

SOON = timedelta(days=14)
"""Certificates that renew themselves do so a month ahead; one this near its end was forgotten."""

_TRUST = {
    "system": "a CA of this machine",
    "ca-file": "a CA of ca_file",
    "pin": "its pin",
    "insecure": "NOTHING: anybody may be there",
}


def link_facts(link: LinkFacts) -> dict[str, object]:
    """Return what `pools test` tells of a connection, in order; empty for plain TCP."""
    facts: dict[str, object] = {"proxy": str(link.proxy)} if link.proxy else {}
    if link.tls:
        certificate = link.tls.certificate
        facts |= {
            "tls": f"{link.tls.version}, {link.tls.cipher}",
            "trusted_by": _TRUST[link.tls.verify],
            "certificate": certificate.subject,
            "issued_by": certificate.issuer,
            "names": list(certificate.names),
            "expires": f"{certificate.not_after:%Y-%m-%d %H:%M} UTC",
            "certificate_sha256": certificate.fingerprint.hex(),
            "pin_sha256": link.tls.pin,
        }
    return facts


def link_words(link: LinkFacts) -> str:
    """Return the same in a few words, such as ``TLSv1.3 until 2027-01-31 by socks5://a:1``."""
    words = []
    if link.tls:
        words.append(f"{link.tls.version} until {link.tls.certificate.not_after:%Y-%m-%d}")
    if link.proxy:
        words.append(f"by the proxy {link.proxy}")
    return " ".join(words)


def link_warning(link: LinkFacts, now: datetime) -> str:
    """Return what a human should see to, "" if there is nothing; a pin cares for no dates."""
    tls = link.tls
    if tls is None:
        return ""
    if tls.verify == "insecure":
        return f'anybody may be at the other end; better: pin_sha256 = ["{tls.pin}"]'
    if tls.verify != "pin" and _days_left(tls, now) is not None:
        return f"its certificate expires in {_days_left(tls, now)} days"
    return ""


def _days_left(tls: TlsFacts, now: datetime) -> int | None:
    left = tls.certificate.not_after - now
    return left.days if left < SOON else None
