"""Certificates read by our walk over DER, beside what openssl reads in them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.certificate import Certificate, CertificateError, parse_certificate
from tests.certificates import Authority, Signed, openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def whole(authority: Authority) -> bytes:
    return authority.intermediate.der()


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """Return a certificate of another age: RSA, version 1, without any extension."""
    folder = tmp_path_factory.mktemp("rsa")
    key, request, path = folder / "key", folder / "request", folder / "pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key))
    openssl("req", "-new", "-key", str(key), "-subj", "/CN=Old/C=KZ", "-out", str(request))
    openssl(
        *("x509", "-req", "-in", str(request), "-signkey", str(key), "-days", "9000"),
        *("-out", str(path)),
    )
    return Signed(certificate=path, key=key, chain=path)


def date_of(signed: Signed, which: str) -> datetime:
    line = openssl("x509", "-in", str(signed.certificate), "-noout", which).decode()
    text = line.partition("=")[2].strip()
    return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


def test_names_and_digests_are_those_that_openssl_finds(authority: Authority) -> None:
    signed = authority.leaf(
        "pool", "DNS:pool.example", "DNS:*.pool.example", "IP:127.0.0.1", "IP:::1"
    )

    read = parse_certificate(signed.der())

    assert read.fingerprint == signed.digest()
    assert read.key_fingerprint == signed.key_digest()
    assert read.names == ("pool.example", "*.pool.example", "127.0.0.1", "::1")
    assert (read.subject, read.issuer) == ("CN=pool", "CN=Test Intermediate")
    assert read.not_before == date_of(signed, "-startdate")
    assert read.not_after == date_of(signed, "-enddate")


def test_the_root_says_its_organization_and_has_no_host_names(authority: Authority) -> None:
    read = parse_certificate(authority.root.der())

    assert read.subject == read.issuer == "CN=Test Root, O=Testers"
    assert read.names == ()
    assert read.key_fingerprint == authority.root.key_digest()


def test_a_certificate_of_version_1_with_an_rsa_key_is_read(rsa: Signed) -> None:
    read = parse_certificate(rsa.der())

    assert read.key_fingerprint == rsa.key_digest()
    assert read.fingerprint == rsa.digest()
    assert read.subject == "CN=Old, C=KZ"
    assert read.not_after == date_of(rsa, "-enddate")


def test_a_year_after_2049_is_read(authority: Authority) -> None:
    signed = authority.leaf("late", "DNS:late.example", days=12_000)

    assert parse_certificate(signed.der()).not_after == date_of(signed, "-enddate")


def test_names_are_fit_for_a_terminal(authority: Authority) -> None:
    signed = authority.leaf("odd", "DNS:odd.example", subject="/CN=\x1b[2Jodd\u202epool")

    subject = parse_certificate(signed.der()).subject

    assert subject.isprintable()
    assert "odd" in subject


def test_a_cut_or_lengthened_certificate_is_none(authority: Authority) -> None:
    der = authority.root.der()

    for size in range(len(der)):
        with pytest.raises(CertificateError):
            parse_certificate(der[:size])
    with pytest.raises(CertificateError):
        parse_certificate(der + b"\0")


def test_lengths_that_are_not_the_shortest_are_refused(authority: Authority) -> None:
    der = authority.root.der()
    assert der[:2] == b"\x30\x82"

    with pytest.raises(CertificateError, match="length"):
        parse_certificate(b"\x30\x83\x00" + der[2:])
    with pytest.raises(CertificateError, match="length"):
        parse_certificate(b"\x30\x80" + der[4:] + b"\0\0")


def read(der: bytes) -> Certificate | None:
    try:
        return parse_certificate(der)
    except CertificateError:
        return None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_certificate_or_the_documented_error(data: bytes) -> None:
    assert read(data) is None


@given(st.data())
def test_any_damage_is_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    der = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))

    found = read(bytes(der))

    if found:
        assert found.public_key in bytes(der)
        assert found.subject.isprintable()
        assert found.issuer.isprintable()
        assert all(name.isprintable() for name in found.names)
