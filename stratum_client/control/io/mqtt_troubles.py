"""What goes wrong with a broker, in words that say what to do about it.

Source: MQTT 3.1.1, 3.2.2.3 (codes 4 and 5 of CONNACK, which paho calls 134 and 135 as MQTT 5 does);
X509_V_ERR_* of OpenSSL's x509_vfy.h.
"""

import socket
import ssl

from stratum_client.control.io.mqtt_way import HandshakeError
from stratum_client.wire import printable

CONNECT_WAIT = 5.0
"""Seconds for the way to a broker, TLS included."""

ANSWER_WAIT = 10.0
"""Seconds for each of its answers."""

OFTEN = 3
"""Connections in a row that were soon lost: somebody else comes by our name."""

_NOT_LET_IN = frozenset({4, 5, 134, 135})
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_LONGEST = 200


def in_words(error: BaseException, *, was_let_in: bool, short: int = 0) -> str:
    """Return why there is no connection; ``short`` counts those that were lost soon, in a row.

    ``was_let_in`` says that there was one.
    """
    if isinstance(error, OSError):
        return _of_network(error)
    return _of_library(error, was_let_in=was_let_in, short=short)


def _of_network(error: OSError) -> str:
    match error:
        case TimeoutError():
            return f"nothing answers within {CONNECT_WAIT:g} s"
        case ConnectionRefusedError():
            return "nothing listens there: is the broker running?"
        case socket.gaierror():
            return f"the name of its host is not known ({error.strerror}): see mqtt.url"
        case HandshakeError():
            return "it breaks off the TLS handshake: is that port one without TLS (mqtt://)?"
        case ssl.SSLCertVerificationError():
            return _of_certificate(error)
    return printable(error.strerror or str(error), _LONGEST) or type(error).__name__


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    hints = {
        _NOT_YET_VALID: "is the clock of this machine right?",
        _EXPIRED: "it needs a new one, or is the clock of this machine wrong?",
        _OTHER_NAME: "mqtt.url must have a name that stands in it",
        _OTHER_ADDRESS: "mqtt.url must have a name that stands in it",
    }
    hint = hints.get(error.verify_code, "see mqtt.ca_file")
    return f"its certificate is not trusted ({error.verify_message.rstrip('.')}): {hint}"


def _of_library(error: BaseException, *, was_let_in: bool, short: int) -> str:
    """Return what an error of aiomqtt means; some carry a code, ``rc``."""
    code = getattr(error, "rc", None)
    if getattr(code, "value", code) in _NOT_LET_IN:
        return "it does not let us in: see mqtt.user and mqtt.password"
    if was_let_in:
        often = "; again and again: does another rig go by this name at this site?"
        return f"the connection broke{often if short >= OFTEN else ''}"
    if code is None:
        hint = "does it want TLS (mqtts://), or a certificate of this rig?"
        return f"it gives no answer of MQTT within {ANSWER_WAIT:g} s: {hint}"
    return printable(str(error), _LONGEST) or type(error).__name__
