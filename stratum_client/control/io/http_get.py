"""One page from an HTTP server on the local network: by a deadline, and never more than so much.

No redirect is followed, no cookie kept. What stands in the query may be a secret: nothing here
repeats it.
"""

import asyncio
import secrets
import ssl
from urllib.parse import SplitResult, urlsplit

from stratum_client.control.http_answer import HttpAnswer, HttpAnswerError, answer_in
from stratum_client.control.http_login import HttpLogin
from stratum_client.dialling import connected_socket

_READ_SIZE = 16_384
_PORTS = {"http": 80, "https": 443}


class HttpGetError(Exception):
    """A page could not be had; ``problem`` says why in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class HttpUnauthorizedError(HttpGetError):
    """The server wants to know who asks, or does not accept who does."""


async def http_get(
    url: str, *, seconds: float, largest: int, login: HttpLogin | None = None
) -> bytes:
    """Return the body of the page at ``url``; raise HttpGetError, after ``seconds`` at the latest.

    It is asked for once more if ``login`` can answer what the server wants to know. Certificates of
    https are checked by the machine's CAs.
    """
    place = urlsplit(url)
    try:
        async with asyncio.timeout(seconds):
            answer = await _answer(place, largest, login)
            if answer.status == 401 and login and login.challenged(answer.challenge):
                answer = await _answer(place, largest, login)
    except TimeoutError as error:
        raise HttpGetError(f"it did not answer within {seconds:g} s") from error
    except (OSError, ValueError, HttpAnswerError) as error:  # ValueError: a name that is none
        raise HttpGetError(_in_words(error)) from error
    if answer.status == 401:
        if login:
            raise HttpUnauthorizedError("it does not accept this user and password (401)")
        raise HttpUnauthorizedError("it wants a user and a password (401)")
    if answer.status != 200:
        raise HttpGetError(f"it answered {answer.status} in place of 200")
    return answer.body


async def _answer(place: SplitResult, largest: int, login: HttpLogin | None) -> HttpAnswer:
    assert place.hostname
    tls = await asyncio.to_thread(ssl.create_default_context) if place.scheme == "https" else None
    name = place.hostname if tls else None
    sock = await connected_socket(place.hostname, place.port or _PORTS[place.scheme])
    reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
    try:
        writer.write(_request(place, login))
        data = b""
        while True:
            more = await reader.read(_READ_SIZE)
            data += more
            if answer := answer_in(data, ended=not more, largest=largest):
                return answer
    finally:
        writer.transport.abort()  # nobody waits for a good-bye


def _request(place: SplitResult, login: HttpLogin | None) -> bytes:
    page = f"{place.path or '/'}{'?' if place.query else ''}{place.query}"
    host = place.netloc.rpartition("@")[2]
    fields = f"Host: {host}\r\nAccept: application/json\r\nConnection: close\r\n"
    who = login.field(page, secrets.token_hex(16)) if login else ""
    return f"GET {page} HTTP/1.1\r\n{fields}{who}\r\n".encode()


def _in_words(error: OSError | ValueError | HttpAnswerError) -> str:
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case OSError():
            return error.strerror or type(error).__name__
        case HttpAnswerError():
            return error.problem
    return "that is no name of a host"
