"""A session, the miner and a device in any order of events; each submit is judged on its own."""

import json
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from stratum_client.requests import MAX_PENDING_BLOCKS
from tests.soak.hostile_rig import HostileRig

COINB1 = "0100000001" + "00" * 32 + "ffffffff{script:02x}0340d10c"
COINB2 = "ffffffff0100f2052a01000000160014" + "07" * 20 + "00000000"
BLOCKS = ["11" * 32, "22" * 32]
MASKS = ["1fffe000", "00006000", "00000000", "ffffffff"]
JUNK: list[Any] = [None, True, -1, "x", "", [], {}, 1e39, "ff" * 40, [[[]]], "\x1b[0m"]


class SessionMachine(RuleBasedStateMachine):
    """What a pool and a device may do, one step at a time."""

    @initialize(seed=st.integers(0, 1 << 16))
    def begin(self, seed: int) -> None:
        self.rig = HostileRig(Random(seed))
        self.extranonce: tuple[str, int] = ("4128064f", 4)
        self.rig.dial()

    def tell(self, message: dict[str, Any]) -> None:
        self.rig.hear(json.dumps(message).encode())

    def asked(self, method: str) -> int | None:
        pending = self.rig.checker.pending
        return next((number for number, what in pending.items() if what == method), None)

    @precondition(lambda self: not self.rig.alive)
    @rule(resumed=st.booleans())
    def dial_again(self, resumed: bool) -> None:
        self.extranonce = self.extranonce if resumed else ("00c0ffee", 8)
        self.rig.dial()

    @precondition(lambda self: self.asked("mining.configure"))
    @rule(mask=st.sampled_from(MASKS), granted=st.booleans())
    def grant_rolling(self, mask: str, granted: bool) -> None:
        result = {"version-rolling": granted, "version-rolling.mask": mask}
        self.tell({"id": self.asked("mining.configure"), "result": result, "error": None})

    @precondition(lambda self: self.asked("mining.subscribe"))
    @rule()
    def grant_subscription(self) -> None:
        result = [[["mining.notify", "sid"]], *self.extranonce]
        self.tell({"id": self.asked("mining.subscribe"), "result": result, "error": None})

    @precondition(lambda self: self.asked("mining.authorize"))
    @rule(known=st.integers(0, 9))
    def answer_login(self, known: int) -> None:
        self.tell({"id": self.asked("mining.authorize"), "result": known > 0, "error": None})

    @rule(
        job_id=st.sampled_from(["a", "b", 1, "1"]) | st.integers(2, 1 << 40),
        block=st.sampled_from(BLOCKS),
        clean=st.booleans(),
        ntime=st.integers(0x685468D0, 0x685468D3),
        version=st.sampled_from(["20000000", "20006000"]),
        nbits=st.sampled_from(["1d00ffff", "1d00ffff", "207fffff", "00000000"]),
    )
    def notify(
        self, job_id: str | int, block: str, clean: bool, ntime: int, version: str, nbits: str
    ) -> None:
        script = 4 + len(self.extranonce[0]) // 2 + self.extranonce[1]
        coinb1 = COINB1.format(script=script)
        times = version, nbits, f"{ntime:08x}", clean
        params = [job_id, block, coinb1, COINB2, ["33" * 32], *times]
        self.tell({"id": None, "method": "mining.notify", "params": params})

    @rule(power=st.integers(-32, -26))
    def set_difficulty(self, power: int) -> None:
        self.tell({"id": None, "method": "mining.set_difficulty", "params": [2.0**power]})

    @rule(mask=st.sampled_from(MASKS))
    def set_mask(self, mask: str) -> None:
        self.tell({"id": None, "method": "mining.set_version_mask", "params": [mask]})

    @precondition(lambda self: self.rig.alive and not self.asked("mining.subscribe"))
    @rule(extranonce1=st.sampled_from(["4128064f", "beef"]), size=st.sampled_from([2, 4, 8]))
    def set_extranonce(self, extranonce1: str, size: int) -> None:
        self.extranonce = extranonce1, size
        params = [extranonce1, size]
        self.tell({"id": None, "method": "mining.set_extranonce", "params": params})

    @rule(method=st.sampled_from(["set_difficulty", "set_extranonce", "notify"]), data=st.data())
    def say_nonsense(self, method: str, data: st.DataObject) -> None:
        params = data.draw(st.lists(st.sampled_from(JUNK), max_size=9))
        self.tell({"id": None, "method": f"mining.{method}", "params": params})

    @precondition(lambda self: self.asked("mining.submit"))
    @rule(error=st.sampled_from([None, None, [23, "low"], [21, "stale"], [22, "duplicate"], [24]]))
    def answer_share(self, error: Any) -> None:
        number = self.asked("mining.submit")
        self.tell({"id": number, "result": error is None, "error": error})

    @rule()
    def find_late(self) -> None:
        self.rig.device.come_late()

    @rule(seconds=st.sampled_from([0.1, 1.0, 29.0, 61.0]))
    def wait(self, seconds: float) -> None:
        if self.rig.alive:
            self.rig.wait(seconds)

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            assert len(self.rig.checker.pending) <= MAX_PENDING_BLOCKS + 10


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
