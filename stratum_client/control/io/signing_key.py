"""The key that signs the energy ledger: Ed25519, in a file of its own (PEM, PKCS 8, no password).

Needs the extra `signing`. Imported where it is used: without a key nobody needs the library.
Source: RFC 8032; the form of the file is that of `openssl genpkey -algorithm ed25519`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stratum_client.control.energy_verify import CheckSignature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_NAME, PUBLIC_NAME = "signing.key", "signing.pub"

MISSING_EXTRA = "the library for signatures is missing: pip install 'stratum-client[signing]'"

_LARGEST = 16_384


class SigningError(Exception):
    """There can be no signature; ``problem`` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class SigningKey:
    """Signs; ``key`` is the public key, 32 bytes in hexadecimal digits."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self.key = private.public_key().public_bytes_raw().hex()
        self._private = private

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of a signature."""
        return self._private.sign(data)


def read_key(path: Path) -> SigningKey:
    """Return the key in a file; raise SigningError, FileNotFoundError if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SigningError(f"{path} cannot be read: {error.strerror}") from error
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # as above
            Ed25519PrivateKey,
        )
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # as above
            load_pem_private_key,
        )
    except ImportError as error:
        raise SigningError(MISSING_EXTRA) from error
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path} is no private key in PEM without a password") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningError(f"{path} holds a key of another kind; Ed25519 is needed")
    return SigningKey(private)


def make_key(path: Path) -> SigningKey:
    """Make a key, its public half beside it; raise SigningError, FileExistsError, OSError."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # an extra
            Ed25519PrivateKey,
        )
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # as above
            Encoding,
            NoEncryption,
            PrivateFormat,
        )
    except ImportError as error:
        raise SigningError(MISSING_EXTRA) from error
    private = Ed25519PrivateKey.generate()
    data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor has no path
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    key = SigningKey(private)
    path.with_name(PUBLIC_NAME).write_text(f"{key.key}\n")
    return key


def signature_check() -> CheckSignature | None:
    """Return what checks signatures; None where the library is missing."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # as above
            Ed25519PublicKey,
        )
    except ImportError:
        return None

    def check(key: str, data: bytes, signature: str) -> bool:
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(signature), data)
        except (ValueError, InvalidSignature):
            return False
        return True

    return check
