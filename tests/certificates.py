"""Certificates of every kind, made by the openssl command: the peers that TLS tests need.

All keys are on the curve P-256, which takes milliseconds. Needs Debian's openssl.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CA = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
KEY_IDENTIFIERS = ("subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid")
"""What OpenSSL's strict checks want, which are Python's default since 3.13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate with its key; ``chain`` begins with it and holds what stands above it."""

    certificate: Path
    key: Path
    chain: Path

    def server(self) -> ssl.SSLContext:
        """Return the context of a server that shows the chain."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def der(self) -> bytes:
        return openssl("x509", "-in", str(self.certificate), "-outform", "der")

    def digest(self) -> bytes:
        """Return the SHA-256 of the certificate, as openssl says it."""
        line = openssl(*("x509", "-in", str(self.certificate), "-noout", "-fingerprint", "-sha256"))
        return bytes.fromhex(line.decode().rpartition("=")[2].strip().replace(":", ""))

    def key_digest(self) -> bytes:
        """Return the SHA-256 of the public key, as openssl writes it out."""
        public = openssl("pkey", "-in", str(self.key), "-pubout", "-outform", "der")
        return hashlib.sha256(public).digest()


def needs(command: str, package: str) -> str:
    """Return the path of ``command``; skip the test without it, but never in CI."""
    found = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found and os.environ.get("CI") != "true":
        pytest.skip(f"{command} is missing: sudo apt install {package}")
    assert found, f"sudo apt install {package}"
    return found


def openssl(*arguments: str) -> bytes:
    return subprocess.run(
        [needs("openssl", "openssl"), *arguments], check=True, capture_output=True
    ).stdout


class Authority:
    """A certificate authority in a folder: a root, an intermediate, and what that has signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = self._self_signed("root", "/CN=Test Root/O=Testers", CA)
        self.intermediate = self._signed_by(self.root, "intermediate", "/CN=Test Intermediate", *CA)

    def leaf(self, name: str, *names: str, days: int = 30, **more: str) -> Signed:
        """Return a certificate for ``names``, such as ``DNS:localhost``, of the intermediate."""
        return self._signed_by(
            self.intermediate,
            name,
            more.get("subject", f"/CN={name}"),
            f"subjectAltName={','.join(names)}",
            days=days,
        )

    def self_signed(self, name: str, *names: str) -> Signed:
        """Return a certificate that only its own key vouches for."""
        extensions = ("basicConstraints=critical,CA:FALSE", f"subjectAltName={','.join(names)}")
        return self._self_signed(name, f"/CN={name}", extensions)

    def _self_signed(self, name: str, subject: str, extensions: tuple[str, ...]) -> Signed:
        key = self._key(name)
        path = self.folder / f"{name}.pem"
        openssl(
            *("req", "-x509", "-new", "-key", str(key), "-subj", subject, "-days", "30"),
            *(word for extension in extensions for word in ("-addext", extension)),
            *("-out", str(path)),
        )
        return Signed(certificate=path, key=key, chain=path)

    def _signed_by(
        self, issuer: Signed, name: str, subject: str, *more: str, days: int = 30
    ) -> Signed:
        key, path = self._key(name), self.folder / f"{name}.pem"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text("\n".join((*KEY_IDENTIFIERS, *more, "")))
        openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
        openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(issuer.certificate)),
            *("-CAkey", str(issuer.key), "-CAcreateserial", "-days", str(days)),
            *("-extfile", str(extensions), "-out", str(path)),
        )
        chain = self.folder / f"{name}-chain.pem"
        # The root itself is not shown, as real servers do not.
        above = issuer.chain.read_text() if issuer.chain != issuer.certificate else ""
        chain.write_text(path.read_text() + above)
        return Signed(certificate=path, key=key, chain=chain)

    def _key(self, name: str) -> Path:
        path = self.folder / f"{name}.key"
        openssl(
            *("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-out", str(path)),
        )
        return path
