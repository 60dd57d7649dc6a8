"""A client for tests: bare requests, and shares solved by hashlib alone."""

import hashlib
import json
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any

from stratum_client.emulated_pool.engine import PoolEngine
from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.outputs import Close, Output, Send
from stratum_client.emulated_pool.settings import PoolSettings

EASY = 2.0**-28
"""A difficulty that about 16 hashes meet."""

Message = dict[str, Any]


def twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def value_of(header: bytes) -> int:
    return int.from_bytes(twice(header), "little")


def easy_target(difficulty: float) -> int:
    """Return the target of a power of two up to 1."""
    return (0xFFFF << 208) * round(1 / difficulty)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A notify and an extranonce2, as this client understands them."""

    params: list[Any]
    extranonce1: str
    extranonce2: str

    def header(self, nonce: int, *, version: int | None = None, ntime: int | None = None) -> bytes:
        _, prev_hash, before, after, branch, job_version, nbits, job_ntime = self.params[:8]
        coinbase = bytes.fromhex(before + self.extranonce1 + self.extranonce2 + after)
        root = twice(coinbase)
        for sibling in branch:
            root = twice(root + bytes.fromhex(sibling))
        swapped = bytes.fromhex(prev_hash)
        prev = b"".join(swapped[i : i + 4][::-1] for i in range(0, 32, 4))
        numbers = [
            int(job_version, 16) if version is None else version,
            int(job_ntime, 16) if ntime is None else ntime,
            int(nbits, 16),
            nonce,
        ]
        version_bytes, *rest = [number.to_bytes(4, "little") for number in numbers]
        return version_bytes + prev + root + b"".join(rest)

    def solve(
        self,
        difficulty: float,
        *,
        version: int | None = None,
        ntime: int | None = None,
        start: int = 0,
        miss: bool = False,
    ) -> int:
        """Return a nonce that meets (or, with ``miss``, does not meet) ``difficulty``."""
        for nonce in range(start, start + 100_000):
            value = value_of(self.header(nonce, version=version, ntime=ntime))
            if (value <= easy_target(difficulty)) != miss:
                return nonce
        raise AssertionError("nothing found in 100000 nonces")


class Client:
    """One connection to an engine."""

    def __init__(self, rig: "Rig") -> None:
        number = rig.engine.connect("test", rig.now)
        assert number is not None
        self.rig = rig
        self.number = number
        self.outputs: list[Output] = []
        self.extranonce1 = ""
        self.extranonce2_size = 0
        self.job: list[Any] = []
        self.difficulty: Any = None
        self.closed = False
        self._ids = 0
        self._used = 0

    def send(self, method: str, *params: object) -> int:
        """Send a request; return its id."""
        self._ids += 1
        self.raw(json.dumps({"id": self._ids, "method": method, "params": params}).encode() + b"\n")
        return self._ids

    def raw(self, data: bytes) -> None:
        self.rig.engine.receive_data(self.number, data, self.rig.now)

    def hear(self) -> list[Message]:
        """Return what the pool said since the last time."""
        self.rig.collect()
        outputs, self.outputs = self.outputs, []
        messages = []
        for output in outputs:
            match output:
                case Send(data):
                    messages += [json.loads(line) for line in data.splitlines() if line.strip()]
                case Close():
                    self.closed = True
        for message in messages:
            if message.get("method") == "mining.notify":
                self.job = message["params"]
            if message.get("method") == "mining.set_difficulty":
                self.difficulty = message["params"][0]
            if message.get("method") == "mining.set_extranonce":
                self.extranonce1, self.extranonce2_size = message["params"]
        return messages

    def ask(self, method: str, *params: object) -> Message:
        """Send a request and return its answer; other messages are only taken note of."""
        identifier = self.send(method, *params)
        [answer] = [message for message in self.hear() if message.get("id") == identifier]
        return answer

    def subscribe(self, *params: object) -> Message:
        answer = self.ask("mining.subscribe", *(params or ("test/1",)))
        _, self.extranonce1, self.extranonce2_size = answer["result"]
        return answer

    def handshake(self, worker: str = "account.worker") -> "Client":
        self.subscribe()
        assert self.ask("mining.authorize", worker, "x")["result"] is True
        return self

    def work(self, extranonce2: int | None = None) -> Work:
        """Return the newest job with a fresh extranonce2."""
        self._used += 1
        number = self._used if extranonce2 is None else extranonce2
        text = (number % (1 << 8 * self.extranonce2_size)).to_bytes(self.extranonce2_size, "big")
        return Work(params=self.job, extranonce1=self.extranonce1, extranonce2=text.hex())

    def share(self, difficulty: float = EASY, worker: str = "account.worker") -> list[object]:
        """Return the parameters of a submit that meets ``difficulty``."""
        work = self.work()
        nonce = work.solve(difficulty)
        return [worker, work.params[0], work.extranonce2, work.params[7], f"{nonce:08x}"]

    def mine(self, shares: int = 1, difficulty: float = EASY) -> list[Message]:
        """Submit so many good shares; return the answers."""
        return [self.ask("mining.submit", *self.share(difficulty)) for _ in range(shares)]


class Rig:
    """An engine with its clock in the test's hand."""

    def __init__(self, *faults: str, **settings: Any) -> None:
        settings.setdefault("difficulty", EASY)
        settings.setdefault("vardiff", "off")
        settings["faults"] = tuple(fault_of(fault) for fault in faults)
        self.now = 1000.0
        self.engine = PoolEngine(
            PoolSettings(**settings),
            wall=lambda: 1_750_000_000.0 + self.now,
            random=Random(7),
            now=self.now,
        )
        self.events: deque[Event] = deque()
        self._clients: dict[int, Client] = {}

    def connect(self) -> Client:
        client = Client(self)
        self._clients[client.number] = client
        return client

    def miner(self) -> Client:
        return self.connect().handshake()

    def disconnect(self, client: Client) -> None:
        self.engine.disconnected(client.number, "gone", self.now)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.engine.advance(self.now)

    def collect(self) -> None:
        self.events.extend(self.engine.take_events())
        for number, outputs in self.engine.take_outputs():
            self._clients[number].outputs += outputs


def named(messages: list[Message], method: str) -> list[Any]:
    """Return the parameters of all messages for ``method``."""
    return [message["params"] for message in messages if message.get("method") == method]


def kinds(messages: list[Message]) -> list[str]:
    """Return what each message is: its method, or "reply"."""
    return [message.get("method") or "reply" for message in messages]


def heard(client: Client, method: str, *params: object) -> list[Message]:
    """Send a request; return all that the pool says then."""
    client.send(method, *params)
    return client.hear()
