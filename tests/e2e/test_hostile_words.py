"""The whole program at a pool that puts escapes and our own password into all it says."""

import itertools
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Running, running, said
from tests.vectors.load import stratum

PASSWORD = "correct-horse-battery"
POISON = f"\x1b[31m\x9b2J\u202e\u2028\x00\x07\r\n{PASSWORD}\ud800\x85\x7f"
NOTIFY: list[Any] = stratum("notify_validation")[0]["params"]
CONFIG = """\
[[pool]]
url = "stratum+tcp://127.0.0.1:{port}"
user = "account.rig"
password_file = "password"
[deadlines]
retry_first = "50ms"
retry_cap = "50ms"
retry_after_close = "50ms"
authorize_retry = "50ms"
authorize_retry_cap = "50ms"
[log]
format = "{form}"
level = "debug"
"""


def notify(job_id: str) -> dict[str, Any]:
    return {"id": None, "method": "mining.notify", "params": [job_id, *NOTIFY[1:9]]}


UNASKED: list[dict[str, Any]] = [
    {"id": None, "method": "client.show_message", "params": [POISON]},
    {"id": 7, "method": POISON, "params": [POISON]},
    {"id": None, "method": "mining.set_difficulty", "params": [POISON]},
    {"id": None, "method": "mining.set_difficulty", "params": [[POISON]]},
    {"id": None, "method": "mining.set_difficulty", "params": [2e-4]},
    {"id": None, "method": "mining.set_extranonce", "params": [POISON, 4]},
    {"id": None, "method": "mining.set_version_mask", "params": [POISON]},
    {"id": POISON, "result": POISON, "error": [20, POISON, POISON]},
    {"id": None, "result": None, "error": {"code": POISON, "message": {POISON: [POISON]}}},
    {"id": None, "method": "client.reconnect", "params": [POISON, POISON, POISON]},
    {"id": None, "method": "client.reconnect", "params": [f"{PASSWORD}.example", 1]},
    {"id": None, "method": "client.reconnect", "params": ["\x1b[31mevil\u202e", 1]},
    notify(POISON),
    notify(f"job {PASSWORD}"),
]
REFUSED: list[Any] = [[20, POISON, POISON], POISON, {"code": 20, "message": POISON}, [POISON]]
BROKEN = (
    f'{{"id":"{PASSWORD}'.encode() + b'\x1b\x9b"',
    b"\x1b[2J" + PASSWORD.encode(),
    json.dumps({POISON: POISON}).encode(),
    json.dumps({"id": 1, "method": "mining.ping", "params": [[[[[[[[[[POISON]]]]]]]]]]}).encode(),
)


class Peer(socketserver.StreamRequestHandler):
    """One connection: shares refused, or the login, or a line that is none."""

    numbers = itertools.count()

    def handle(self) -> None:
        number = next(self.numbers)
        for line in self.rfile:
            request = json.loads(line)
            if "method" not in request:
                continue
            for message in self.answer(request, number):
                self.wfile.write(json.dumps(message).encode() + b"\n")
            if request["method"] == "mining.authorize" and number % 3 == 1:
                self.wfile.write(BROKEN[number % len(BROKEN)] + b"\n")

    def answer(self, request: dict[str, Any], number: int) -> list[dict[str, Any]]:
        result: Any = True
        error: Any = None
        match request["method"]:
            case "mining.subscribe":
                result = [[["mining.notify", POISON]], "4128064f", 4]
            case "mining.authorize" if number % 3 == 2:
                result, error = None, REFUSED[number % len(REFUSED)]
            case "mining.submit" | "mining.suggest_difficulty" | "mining.configure":
                result, error = None, REFUSED[request["id"] % len(REFUSED)]
        answer = {"id": request["id"], "result": result, "error": error}
        login = request["method"] == "mining.authorize" and number % 3 == 0
        return [answer, *(UNASKED if login else [])]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Let a client that hangs up pass in silence."""


@contextmanager
def hostile_pool() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Peer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def harmless(text: str) -> None:
    assert PASSWORD not in text
    odd = {c for c in text if not c.isprintable() and c != "\n"}
    assert not odd, sorted(map(hex, map(ord, odd)))


def command_lines(run: Running) -> str:
    processes = [run.process.pid, *run.children()]
    paths = [Path(f"/proc/{process}/cmdline") for process in processes]
    return "".join(path.read_text() for path in paths if path.exists())


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_a_pool_says_reaches_a_terminal_or_tells_the_password(
    form: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    with hostile_pool() as port:
        (tmp_path / "stratum-client.toml").write_text(CONFIG.format(port=port, form=form))
        with running("run", "--json", folder=tmp_path) as run:
            for event in ("pool.message", "pool.oddity", "share.rejected", "redirect.refused"):
                run.wait_for(event.replace(".", r"\."))
            run.wait_for("(?s)pool refused user.*most shares")
            run.wait_for(r"in a line with \*\*\*")
            assert PASSWORD not in command_lines(run)
            assert run.ended() == 0
        harmless(run.out)
        harmless(run.err)
        for line in run.err.splitlines() if form == "json" else []:
            for value in json.loads(line).values():
                harmless(str(value))


def test_a_look_at_such_a_pool_is_harmless_too(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with hostile_pool() as port:
        for more in ((), ("--json",)) * 3:
            words = ("--user", "account.rig", "--password-file", "password", *more)
            _, out, err = said("pools", "test", f"127.0.0.1:{port}", *words, folder=tmp_path)
            harmless(out)
            harmless(err)
            if more:
                harmless(str(json.loads(out)))
