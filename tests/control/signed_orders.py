"""Orders as an issuer writes and signs them, with nothing but the standard library."""

import hashlib
import hmac
import json
from collections.abc import Callable

from stratum_client.control.order_keys import hmac_verifier
from stratum_client.control.order_message import Key

SECRET = b"a secret shared with the grid"
NOW = 1_750_000_000.0

Sign = Callable[[bytes], bytes]


def by_secret(data: bytes) -> bytes:
    return hmac.new(SECRET, data, hashlib.sha256).digest()


def signed(text: bytes, key: str = "grid", sign: Sign = by_secret) -> bytes:
    signature = sign(b"stratum-client order 1\n" + text).hex()
    return text + b"\n" + f"{key} {signature}".encode()


def order(number: int = 17, key: str = "grid", sign: Sign = by_secret, **more: object) -> bytes:
    fields: dict[str, object] = {
        "number": number,
        "site": "kent",
        "to": "all",
        "action": "idle",
        "issued": NOW,
        "expires": NOW + 3600,
    }
    return signed(json.dumps({**fields, **more}).encode(), key, sign)


KEYS = {"grid": Key(name="grid", verify=hmac_verifier(SECRET))}
