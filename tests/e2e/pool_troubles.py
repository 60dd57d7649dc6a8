"""The kinds of trouble of the network test matrix, and how one cell of it is played."""

import re
from dataclasses import dataclass, field, replace
from math import inf

from stratum_client.config import TlsConfig
from stratum_client.errors import ConnectError, ConnectionLostError, StratumError
from tests.certificates import Authority, Signed
from tests.e2e.pool_matrix import (
    FAILBACK,
    PATIENCE,
    SETTINGS,
    WATCHFUL,
    WAYS,
    mining_at,
)
from tests.e2e.pool_records import ANSWERED, COPY_REFUSED, HeardPool

FACTOR = 5.0
SLACK = 20.0
"""A time may be so many times the documented one, and seconds more: the machine has other work."""

HIJACKER = "127.0.0.2"
FLAP = 0.12
"""Seconds that a flapping pool is away, and that it is there."""

_GRAIN = 1e-3  # s, for times that are taken one after the other
_TICK = 0.5  # s, how often deadlines are looked at
_DIAL = 0.5  # s, for a pause and a handshake on loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One kind: in how many seconds it shows, by the settings, and in which words it is told.

    ``is_outage``: what happens to good pools too. ``mood`` strikes connections, open and later
    ones; ``drops`` ends those that are open. ``by_silence``: deadlines must show it.
    """

    shows_in: float
    by_silence: bool = False
    told: str
    is_outage: bool = True
    mood: str = ""
    drops: bool = False


def _silent(shows_in: float, mood: str) -> Trouble:
    return Trouble(shows_in=shows_in, told="silent", mood=mood, by_silence=True)


TROUBLES = {
    "cut": Trouble(shows_in=0.0, told="connection lost", drops=True),
    "half-open": _silent(WATCHFUL.submit_lost, "hang"),
    "silence": _silent(WATCHFUL.submit_lost, "silence"),
    "slow-loris": _silent(WATCHFUL.partial_line, "segments=1,gap=100ms"),
    "tls-failure": Trouble(shows_in=0.0, told="connection lost", drops=True),
    "pin-mismatch": Trouble(shows_in=0.0, told="connection lost", drops=True),
    "refused-login": Trouble(
        shows_in=0.0,
        told="connection lost|login refused",
        mood="refuse-authorize=error",
        drops=True,
    ),
    "reject-storm": Trouble(shows_in=3.0, told="refused most shares", is_outage=False),
    "stale-chain": Trouble(
        shows_in=WAYS["warm"].behind_after, told="behind the other pools", is_outage=False
    ),
    "redirect": Trouble(shows_in=0.0, told="connection lost"),
    "hijack": Trouble(shows_in=0.0, told=""),
    "flapping": Trouble(shows_in=0.0, told="connection lost", drops=True),
}
RESUMED = {"cut", "tls-failure", "pin-mismatch", "refused-login", "flapping"}
"""After these the pool resumes the session that the client had: open shares are settled then."""

CELLS = [
    (trouble, way, count)
    for way in WAYS
    for count in (2, 3, 4)
    for trouble in TROUBLES
    if (trouble, way) != ("stale-chain", "cold")  # who is not connected tells of no block
]

Cell = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What the first pool shows where it is served by TLS, and what it should not."""

    authority: Authority
    good: Signed
    expired: Signed
    other: Signed

    @classmethod
    def made_by(cls, authority: Authority) -> "Certificates":
        return cls(
            authority=authority,
            good=authority.leaf("good", "DNS:localhost"),
            expired=authority.leaf("expired", "DNS:localhost", days=-1),
            other=authority.leaf("other", "DNS:localhost"),
        )

    def trust(self, trouble: str) -> TlsConfig | None:
        """Return how the first pool is to be known, None for plain TCP."""
        match trouble:
            case "tls-failure":
                return TlsConfig(verify="ca-file", ca_file=self.authority.root.certificate)
            case "pin-mismatch":
                return TlsConfig(verify="pin", pin_sha256=(self.good.key_digest(),))
        return None


@dataclass(slots=True, kw_only=True)
class _Absence:
    """When a pool had come, went and came back, and with which errors."""

    well_since: float
    lost_at: float
    back_at: float = inf
    errors: list[StratumError | None] = field(default_factory=list)

    @property
    def is_blip(self) -> bool:
        """Return whether a good pool was away for a moment only: that is forgiven."""
        return (
            all(isinstance(error, ConnectError | ConnectionLostError) for error in self.errors)
            and self.back_at - self.lost_at <= PATIENCE + _GRAIN
            and self.lost_at - self.well_since >= FAILBACK - _GRAIN
        )


class CellPlay:
    """One cell: the first pool gets into trouble while it serves, and out of it again."""

    def __init__(self, cell: Cell, certificates: Certificates) -> None:
        self.trouble, self.way, self.count = cell
        self.kind = TROUBLES[self.trouble]
        self._certificates = certificates
        self._began = self._over = inf
        self._is_disgraced = not self.kind.is_outage

    async def play(self) -> str:
        """Play it; return the figures."""
        trust = self._certificates.trust(self.trouble)
        options: dict[str, object] = {"tls": trust} if trust else {}
        if self.kind.by_silence:
            options["deadlines"] = WATCHFUL
        async with mining_at(
            self.count,
            WAYS[self.way],
            hashers=self.count if self.way == "quota" else 1,
            options={"main": options},
            tls=self._certificates.good.server() if trust else None,
        ) as matrix:
            self.matrix, self.main = matrix, matrix.servers["main"]
            await self._settled()
            match self.trouble:
                case "hijack":
                    await self._hijack()
                case "redirect":
                    await self._redirect()
                case "flapping":
                    await self._flapping()
                case _:
                    await self._there_and_back()
        matrix.check()
        self._check_ways_back()
        if self.trouble in RESUMED:
            alive = [entry for entry in matrix.found if entry.alive]
            unsettled = [
                entry.ends
                for entry in alive
                if entry.fate not in ANSWERED and entry.ends != COPY_REFUSED
            ]
            assert not unsettled, f"{self.trouble}: {unsettled}"
        return f"{self.trouble:>13} {self.way:>6} {self.count}: {matrix.figures()}"

    async def _settled(self) -> None:
        """Wait until all is well and the first pool serves."""
        matrix = self.matrix
        if self.way != "cold":
            await matrix.stands_by(*matrix.servers)
        await matrix.until(lambda: "main" in matrix.pools.serving)
        if self.way == "quota":
            await matrix.serves(*matrix.servers)
        await matrix.shares_at("main")
        await matrix.until(lambda: "main" in matrix.pools.serving)

    # --- one kind of trouble after the other ---

    async def _there_and_back(self) -> None:
        matrix = self.matrix
        self._began = began = matrix.now()
        matrix.troubled.add("main")
        await self._begin()
        left = await self._left(began)
        if self.trouble != "reject-storm":  # the next session is well at once
            await self._stays_away(left)

        await self._end()
        over = matrix.now()
        await matrix.until(lambda: "main" in matrix.pools.serving)
        self._in_time(matrix.now() - over, self._needs + self._turns + _DIAL, "the way back")
        await matrix.shares_at("main")

    async def _stays_away(self, left: float) -> None:
        matrix = self.matrix
        if self.way != "rotate":
            await matrix.shares_at(*matrix.pools.serving)
        await matrix.until(lambda: matrix.now() >= left + 2 * PATIENCE)
        assert "main" not in matrix.pools.serving

    async def _flapping(self) -> None:
        matrix, main = self.matrix, self.main
        matrix.troubled.add("main")
        self._began = matrix.now()
        for _ in range(4):
            began = matrix.now()
            main.stop_listening()
            main.drop_clients(reset=True)
            await matrix.lost("main", began)
            await matrix.until(lambda: matrix.now() >= began + FLAP)  # noqa: B023  # awaited here
            await main.listen_again()
            jobs = len(matrix.trace.named("job", pool="main"))
            await matrix.until(lambda: len(matrix.trace.named("job", pool="main")) > jobs)  # noqa: B023
            up = matrix.now()
            await matrix.until(lambda: matrix.now() >= up + FLAP)  # noqa: B023
        await matrix.until(lambda: "main" in matrix.pools.serving)
        await matrix.shares_at("main")

    async def _redirect(self) -> None:
        """Be sent on to another server of the same pool, for one session."""
        matrix, main = self.matrix, self.main
        async with HeardPool(SETTINGS, user=main.user, number=8) as aside:
            matrix.aside["main"] = [aside]
            matrix.troubled.add("main")
            self._began = began = matrix.now()
            main.inject(f"redirect=127.0.0.1:{aside.port}")
            await matrix.lost("main", began)
            await matrix.until(lambda: aside.tally().total.accepted >= 3)
            assert main.clients == 0
            aside.drop_clients()
            before = main.tally().total.accepted
            await matrix.until(lambda: main.tally().total.accepted >= before + 3)
        assert len(matrix.trace.named("redirect.followed")) == 1

    async def _hijack(self) -> None:
        """Be sent to a stranger: nobody goes there."""
        matrix = self.matrix
        elsewhere = replace(SETTINGS, listen_host=HIJACKER)
        async with HeardPool(elsewhere, user="thief", number=9) as thief:
            self.main.inject(f"redirect={HIJACKER}:{thief.port}")
            await matrix.until(lambda: matrix.trace.named("redirect.refused"))
            await matrix.shares_at("main", count=6)
            assert not thief.logins
            assert not thief.judged
            assert not thief.clients

    async def _begin(self) -> None:
        main, kind = self.main, self.kind
        match self.trouble:
            case "cut":
                main.stop_listening()
            case "tls-failure":
                await main.show(self._certificates.expired.server())
            case "pin-mismatch":
                await main.show(self._certificates.other.server())
            case "reject-storm":
                main.inject("storm")
            case "stale-chain":
                for name, server in self.matrix.servers.items():
                    if name != "main":
                        server.new_block()
        main.mood = kind.mood
        if kind.drops:
            main.drop_clients(reset=True)
        elif kind.mood:
            main.inject(kind.mood)

    async def _end(self) -> None:
        main = self.main
        self._over = self.matrix.now()
        match self.trouble:
            case "cut":
                await main.listen_again()
            case "tls-failure" | "pin-mismatch":
                await main.show(self._certificates.good.server())
            case "stale-chain":
                main.new_block()
        main.mood = ""  # the client itself gives up what hangs

    # --- what the settings promise ---

    async def _left(self, began: float) -> float:
        """Wait until the first pool is left; return when that was."""
        matrix, shows_in = self.matrix, self.kind.shows_in + _TICK + self._turns
        if self.trouble == "stale-chain":
            await matrix.until(lambda: matrix.role_note("main") == self.kind.told)
            self._in_time(matrix.now() - began, shows_in, "leaving")
            self._is_disgraced = self.kind.told in str(matrix.switches()[-1].fields["reason"])
            return matrix.now()
        lost = await matrix.lost("main", began)
        self._in_time(lost.at - began, shows_in, "noticing")
        place = matrix.trace.notes.index(lost)
        served = self._serving_before(place)
        if "main" in served:
            switch = matrix.trace.notes[place + 1]
            assert switch.what == "pools.switched", "something came before the change"
            assert "main" not in str(switch.fields["to"])
            assert re.search(self.kind.told, str(switch.fields["reason"])), switch
        if self.way == "cold":
            await self._cold_spare_serves(lost.at)
        assert matrix.pools.serving
        return lost.at

    async def _cold_spare_serves(self, lost_at: float) -> None:
        matrix = self.matrix
        await matrix.until(lambda: matrix.pools.serving)
        switch = next(n for n in matrix.switches() if n.at >= lost_at and n.fields["to"])
        assert switch.fields["to"] != "main" or self.trouble == "reject-storm"
        self._in_time(switch.at - lost_at, PATIENCE + _DIAL, "the change to a cold standby")
        assert re.search(self.kind.told, str(switch.fields["reason"])), switch

    def _serving_before(self, place: int) -> list[str]:
        notes = [n for n in self.matrix.trace.notes[:place] if n.what == "pools.switched"]
        return str(notes[-1].fields["to"]).split(", ")

    def _check_ways_back(self) -> None:
        """See that the first pool served again only after it had been well for long enough."""
        for place, note in enumerate(self.matrix.trace.notes):
            came = "main" in str(note.fields.get("to")) and note.fields["from"]
            if note.what == "pools.switched" and came and "main" not in str(note.fields["from"]):
                self._check_way_back(place)

    def _check_way_back(self, place: int) -> None:
        switch = self.matrix.trace.notes[place]
        absence = self._last_absence(place)
        if absence is None or absence.is_blip or switch.at < self._began:
            return
        since = self._over if self.trouble == "stale-chain" else absence.back_at
        assert switch.at >= since + self._needs - _GRAIN, switch
        if self.way in {"warm", "cold"}:
            assert switch.fields["reason"] == "main is preferred and well"
            waited = switch.at >= since + self._needs + WAYS[self.way].answers_wait
            assert waited or not switch.fields["in_flight"], "in the middle of a burst"

    def _last_absence(self, place: int) -> "_Absence | None":
        """Return how the first pool was lost and found the last time, by the trace alone."""
        absence, well_since = None, None
        for note in self.matrix.trace.notes[:place]:
            if note.fields.get("pool") != "main" or note.what not in {"lost", "job"}:
                continue
            if note.what == "lost" and well_since is None:
                continue  # it had not come yet
            is_away = absence is not None and absence.back_at == inf
            if note.what == "lost":
                if absence is None or not is_away:
                    assert well_since
                    absence = _Absence(well_since=well_since, lost_at=note.at)
                absence.errors.append(note.fields["error"])
            elif absence and is_away:
                well_since = absence.back_at = note.at
            elif well_since is None:
                well_since = note.at
        if self.trouble == "stale-chain":
            return _Absence(well_since=0.0, lost_at=0.0, errors=[None])
        return absence

    @property
    def _needs(self) -> float:
        """Return for how long the first pool must have been well to serve again."""
        if self.way in {"quota", "rotate"} and not self._is_disgraced:
            return PATIENCE
        return FAILBACK

    @property
    def _turns(self) -> float:
        """Return for how long it may have to wait for its turn."""
        return self.count * WAYS[self.way].rotate_every if self.way == "rotate" else 0.0

    def _in_time(self, seconds: float, documented: float, what: str) -> None:
        assert seconds <= FACTOR * documented + SLACK, f"{what} took {seconds:.1f} s"
