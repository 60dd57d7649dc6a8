"""TLS settings, proxy and address of a pool must fit each other; each complaint names its key."""

import base64
from pathlib import Path

import pytest

from stratum_client.config import Config, TlsConfig
from stratum_client.config_arguments import PoolArguments, with_arguments
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError

DIGEST = bytes(range(32))
HEX = DIGEST.hex()


def read(tls: str, url: str = "stratum+ssl://a:1", **environ: str) -> Config:
    text = f'[[pool]]\nurl = "{url}"\nuser = "a"\n{tls}\n'
    return read_config(text.encode(), name="f.toml", environ=environ, directory=Path("/etc/x"))


def on_command_line(**more: object) -> Config:
    pool = PoolArguments(url="stratum+ssl://a:1", user="a", **more)  # type: ignore[arg-type]  # by name
    return with_arguments(None, pools=[pool], environ={})


def test_without_tls_settings_the_machines_cas_are_trusted() -> None:
    [pool] = read("").pools

    assert pool.trust == TlsConfig(verify="system")


@pytest.mark.parametrize(
    "pin",
    [
        *(HEX, HEX.upper(), f"sha256:{HEX}", f"sha256//{base64.b64encode(DIGEST).decode()}"),
        *(base64.b64encode(DIGEST).decode(), DIGEST.hex(":"), f"SHA256:{DIGEST.hex(':').upper()}"),
    ],
)
def test_a_pin_is_taken_in_every_spelling(pin: str) -> None:
    [pool] = read(f'tls = {{ verify = "pin", pin_sha256 = ["{pin}"] }}').pools

    assert pool.trust.pin_sha256 == (DIGEST,)


@pytest.mark.parametrize(
    "pin", ["", HEX[:-1], HEX + "00", "zz" * 32, "A" * 43, base64.b64encode(DIGEST[:31]).decode()]
)
def test_what_is_no_digest_is_refused(pin: str) -> None:
    with pytest.raises(ConfigError, match="SHA-256"):
        read(f'tls = {{ verify = "pin", pin_sha256 = ["{pin}"] }}')


def test_a_ca_file_is_looked_for_beside_the_configuration() -> None:
    [pool] = read('tls = { verify = "ca-file", ca_file = "own.pem" }').pools

    assert pool.trust.ca_file == Path("/etc/x/own.pem")


@pytest.mark.parametrize(
    ("tls", "url", "problem"),
    [
        (
            'tls = { verify = "system" }',
            "a:1",
            "tls: stratum+tcp://a:1 is not TLS: write stratum+ssl",
        ),
        ("tls = {}", "a:1", "tls: stratum+tcp://a:1 is not TLS"),
        ('tls = { verify = "ca-file" }', "ssl://a:1", 'tls: verify = "ca-file" needs ca_file'),
        ('tls = { ca_file = "x" }', "ssl://a:1", "tls.ca_file: is only read with"),
        ('tls = { verify = "pin" }', "ssl://a:1", "needs pin_sha256; `stratum-client pools test"),
        ('tls = { verify = "pin", pin_sha256 = [] }', "ssl://a:1", "needs pin_sha256"),
        (
            f'tls = {{ verify = "insecure", pin_sha256 = ["{HEX}"] }}',
            "ssl://a:1",
            'tls.verify: "insecure" looks at no pin',
        ),
        ('tls = { verify = "off" }', "ssl://a:1", "tls.verify: expected"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tls: str, url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tls, url)

    assert str(caught.value).startswith("f.toml:4: pool[1].")
    assert problem in str(caught.value)


def test_the_environment_may_pin_too_and_is_named_when_it_does_not_fit() -> None:
    environ = {"SC_POOL_1_TLS_VERIFY": "pin", "SC_POOL_1_TLS_PIN_SHA256": f"{HEX}, {HEX}"}

    assert read("", **environ).pools[0].trust.pin_sha256 == (DIGEST, DIGEST)
    with pytest.raises(ConfigError, match=r"SC_POOL_1_TLS_.*is not TLS"):
        read("", "a:1", **environ)


def test_the_command_line_may_pin_trust_anybody_and_name_a_proxy() -> None:
    [pinned] = on_command_line(pin=HEX, proxy="socks5://u:p@b:1").pools
    [anybody] = on_command_line(insecure=True).pools

    assert pinned.trust == TlsConfig(verify="pin", pin_sha256=(DIGEST,))
    assert str(pinned.via) == "socks5://b:1"
    assert anybody.trust == TlsConfig(verify="insecure")


def test_the_command_line_is_named_in_its_errors() -> None:
    with pytest.raises(ConfigError, match=r"^--pin: pool"):
        on_command_line(pin="1234")
    with pytest.raises(ConfigError, match=r"^--pin: means nothing with --insecure"):
        on_command_line(pin=HEX, insecure=True)
    with pytest.raises(ConfigError, match=r"^--proxy: "):
        on_command_line(proxy="http://b:1")


def test_pools_of_the_command_line_take_the_common_proxy() -> None:
    config = read("", SC_NETWORK_PROXY="socks5://u:p@b:1")

    replaced = with_arguments(config, pools=[PoolArguments(url="c:1", user="a")], environ={})

    assert replaced.pools[0].via == config.network.proxy


def test_a_pool_of_the_command_line_alone_takes_the_proxy_of_the_environment() -> None:
    pool = PoolArguments(url="c:1", user="a")

    config = with_arguments(None, pools=[pool], environ={"SC_NETWORK_PROXY": "socks5://b:1"})

    assert str(config.pools[0].via) == "socks5://b:1"
