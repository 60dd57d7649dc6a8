"""The way to a broker: whom to trust there, and whether somebody answers at all.

The library dials in a thread that nobody can stop; so that is left to it only after this.
"""

import asyncio
import ssl

from stratum_client.config import TlsConfig
from stratum_client.config_mqtt import MqttConfig, MqttUrl
from stratum_client.dialling import connected_socket
from stratum_client.tls import client_context, host_for_tls


class HandshakeError(ConnectionError):
    """Somebody listens, who does not speak TLS."""


def trust_of(config: MqttConfig) -> ssl.SSLContext:
    """Return whom to take for the broker; reads files. Raises CaFileError."""
    ca_file = config.ca_file
    return client_context(TlsConfig(verify="ca-file", ca_file=ca_file) if ca_file else TlsConfig())


async def found_at(url: MqttUrl, tls: ssl.SSLContext | None) -> str:
    """Return what to dial: without TLS the address that answered, no name to be looked up.

    Raises OSError, HandshakeError among them.
    """
    probe = await connected_socket(url.host, url.port)
    if tls is None:
        with probe:
            return str(probe.getpeername()[0])
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(
            asyncio.Protocol, sock=probe, ssl=tls, server_hostname=host_for_tls(url.host)
        )
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError) as error:
        raise HandshakeError from error
    transport.abort()
    return url.host
