"""SHA-256's compression function from OpenSSL's libcrypto, for a start from a midstate.

hashlib has no way to begin with a state; the library behind it has one. Where it is not to be had
by ctypes, or does not compute what it should, there is None and the caller does it in Python.

Source: OpenSSL, include/openssl/sha.h: SHA256_CTX begins with eight 32-bit words of state;
SHA256_Transform takes one 64-byte block. Deprecated since 3.0, still exported.
"""

import ctypes
import ctypes.util
import struct
from collections.abc import Callable
from functools import cache

from drivers import header

_CONTEXT_SIZE = 256  # bytes; the structure has 112
_LIBRARIES = ("libcrypto.so.3", "libcrypto.so.1.1")
Transform = Callable[[bytes, bytes], bytes]
"""(midstate of 32 bytes, block of 64 bytes) to the next state of 32 bytes, words big-endian."""


@cache
def transform() -> Transform | None:
    """Return the compression function, None where libcrypto cannot give it."""
    for name in (*_LIBRARIES, ctypes.util.find_library("crypto")):
        try:
            library = ctypes.CDLL(name) if name else None
            found = _wrapped(library) if library else None
        except (OSError, AttributeError):
            continue
        block = bytes(range(64))
        if found and found(_INITIAL, block) == header.midstate(block):
            return found
    return None


_INITIAL = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")


def _wrapped(library: ctypes.CDLL) -> Transform:
    compress = library.SHA256_Transform
    compress.argtypes, compress.restype = (ctypes.c_void_p, ctypes.c_char_p), None
    words = struct.Struct(">8I")
    native = struct.Struct("=8I")

    def step(midstate: bytes, block: bytes) -> bytes:
        context = ctypes.create_string_buffer(native.pack(*words.unpack(midstate)), _CONTEXT_SIZE)
        compress(context, block)
        return words.pack(*native.unpack_from(context))

    return step
