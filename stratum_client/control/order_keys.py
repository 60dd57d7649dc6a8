"""Keys that sign orders: a shared secret (HMAC-SHA256), or Ed25519 by the extra ``signing``; pure.

Source: RFC 2104 for HMAC, RFC 8032 for Ed25519 (32 bytes a key, 64 a signature).
"""

import hmac
import importlib
from collections.abc import Callable

COMMAND = "pip install 'stratum-client[signing]'"

ED25519_KEY_SIZE = 32

Verify = Callable[[bytes, bytes], bool]
"""Is given the signed bytes and the signature; returns whether they go together."""


class SigningMissingError(ImportError):
    """The extra ``signing`` is not installed."""

    def __init__(self) -> None:
        super().__init__(f'Ed25519 needs the extra "signing": {COMMAND}')


def hmac_signature(secret: bytes, data: bytes) -> bytes:
    """Return the 32 bytes that sign ``data`` with a shared secret."""
    return hmac.digest(secret, data, "sha256")


def hmac_verifier(secret: bytes) -> Verify:
    """Return what verifies signatures of a shared secret."""

    def verify(data: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac_signature(secret, data), signature)

    return verify


def ed25519_verifier(public_key: bytes) -> Verify:
    """Return what verifies signatures of a public key of 32 bytes.

    Raises SigningMissingError without the extra, ValueError for bytes that are no key.
    """
    try:
        ed25519 = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        exceptions = importlib.import_module("cryptography.exceptions")
    except ImportError as error:
        raise SigningMissingError from error
    key = ed25519.Ed25519PublicKey.from_public_bytes(public_key)

    def verify(data: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, data)
        except (exceptions.InvalidSignature, ValueError):
            return False
        return True

    return verify


def ed25519_signature(pem: bytes, data: bytes) -> bytes:
    """Return the 64 bytes that sign ``data`` with a private key in PEM form, without password.

    Raises SigningMissingError, ValueError for what is no such key.
    """
    try:
        serialization = importlib.import_module("cryptography.hazmat.primitives.serialization")
        ed25519 = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError as error:
        raise SigningMissingError from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError("the key is encrypted") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return bytes(key.sign(data))
    raise ValueError("it is no Ed25519 key")
