"""Brokers in trouble, and what the one who is called at night reads of it."""

import logging
import socket
from pathlib import Path
from random import Random

import aiomqtt
import pytest

from stratum_client.clock import SystemClock
from stratum_client.config_mqtt import MqttConfig, parse_mqtt_url
from stratum_client.control.io.mqtt_link import MqttLink
from stratum_client.control.io.mqtt_troubles import OFTEN, in_words
from tests.brokers import broker
from tests.certificates import Authority
from tests.stand_ins import RecordingLog


async def trouble_at(url: str, **more: object) -> str:
    """Return why a link cannot log in, as it says itself."""
    config = MqttConfig(url=parse_mqtt_url(url), site="kent", **more)  # type: ignore[arg-type]  # by name
    link = MqttLink(config, "r17", clock=SystemClock(), random=Random(1), log=RecordingLog())
    return await link.problem_found()


async def test_what_is_wrong_with_tls_is_told_with_what_to_do(tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    authority, other = Authority(tmp_path), Authority(other_folder)
    good = authority.leaf("broker", "DNS:localhost")
    past = authority.leaf("past", "DNS:localhost", days=-1)
    ca = authority.root.certificate

    def tls(leaf: Path, key: Path) -> tuple[str, ...]:
        return f"certfile {leaf}", f"keyfile {key}", "allow_anonymous true"

    async with broker(tmp_path, *tls(good.chain, good.key)) as port:
        url = f"mqtts://localhost:{port}"
        assert await trouble_at(url, ca_file=ca) == ""
        assert (await trouble_at(url)).endswith("issuer certificate): see mqtt.ca_file")
        assert "see mqtt.ca_file" in await trouble_at(url, ca_file=other.root.certificate)
        named = await trouble_at(f"mqtts://127.0.0.1:{port}", ca_file=ca)
        assert named.endswith("mqtt.url must have a name that stands in it")
        assert "absent.pem cannot be read" in await trouble_at(url, ca_file=tmp_path / "absent.pem")
    async with broker(tmp_path, *tls(past.chain, past.key)) as port:
        old = await trouble_at(f"mqtts://localhost:{port}", ca_file=ca)
        assert "expired" in old
        assert "is the clock of this machine wrong?" in old


async def test_tls_at_a_port_without_it_is_told_at_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as port:
        found = await trouble_at(f"mqtts://localhost:{port}")

    assert found == "it breaks off the TLS handshake: is that port one without TLS (mqtt://)?"


async def test_a_login_that_is_refused_names_the_keys_to_look_at(tmp_path: Path) -> None:
    async with broker(tmp_path, "allow_anonymous false") as port:
        found = await trouble_at(f"mqtt://localhost:{port}", user="r17", password="sesame")

    assert found == "it does not let us in: see mqtt.user and mqtt.password"


@pytest.mark.parametrize(
    ("error", "was_let_in", "short", "words"),
    [
        (TimeoutError(), False, 0, "nothing answers within 5 s"),
        (socket.gaierror(-2, "Name not known"), False, 0, "the name of its host is not known"),
        (OSError(113, "No route to host"), False, 0, "No route to host"),
        (aiomqtt.MqttError("Operation timed out"), False, 0, "it gives no answer of MQTT within"),
        (aiomqtt.MqttError("Operation timed out"), True, 1, "the connection broke"),
        (aiomqtt.MqttError("x"), True, OFTEN, "does another rig go by this name at this site?"),
        (aiomqtt.MqttCodeError(4), False, 0, "it does not let us in"),
        (aiomqtt.MqttCodeError(3), False, 0, "[code:3]"),
    ],
)
def test_other_troubles_in_words(
    error: Exception, was_let_in: bool, short: int, words: str
) -> None:
    assert words in in_words(error, was_let_in=was_let_in, short=short)


async def test_the_library_says_nothing_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with broker(tmp_path, "allow_anonymous false") as port:
            await trouble_at(f"mqtt://localhost:{port}")

    assert [record for record in caplog.records if "mqtt" in record.name] == []
