"""A recorder at the rims of one daemon: everything passes, and is noted with its time."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from drivers.api import Clock, Log, Miner, PortInfo, Setpoint
from drivers.transports.tap import PortTap
from stratum_client import __version__
from stratum_client.config import Config
from stratum_client.log_fields import Scrubber
from stratum_client.pool_order import PoolOrder
from stratum_client.recording.entries import FORMAT, Entry, Rim, What, encoded
from stratum_client.recording.masked_entries import MaskedEntries
from stratum_client.recording.masking import Masker
from stratum_client.recording.recorded_config import learn, recorded_config
from stratum_client.recording.recorded_miner import RecordedMiner
from stratum_client.recording.recorded_pool_rim import RecordedPoolRim
from stratum_client.recording.recorded_ports import RecordedTap
from stratum_client.recording.writer import CLOSE_WAIT, DEFAULT_LIMIT, RecordingWriter, opened
from stratum_client.rims import PoolRim, Rates, Timer
from stratum_client.tally import Tally


class Recorder:
    """Implements `rims.Rims`; ``tally`` is the miner's, to be set once there is one.

    ``warn`` is told once, from another thread, if the recording ends by itself. Raises ConfigError
    when ``path`` cannot be written.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        *,
        clock: Clock,
        log_for: Callable[[str], Log],
        warn: Callable[[str], object],
        keep_users: bool = False,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self.tally: Tally | None = None
        self._clock = clock
        self._log_for = log_for
        self._started = clock.monotonic()
        self._works = 0
        self._told_shares: dict[str, int] = {}
        masker = Masker(salt=secrets.token_bytes(16), keep_users=keep_users)
        learn(config, masker)
        self._writer = RecordingWriter(
            opened(path),
            encoded(self._header(config, masker)),
            formed=MaskedEntries(masker),
            warn=warn,
            limit=limit,
        )

    def note(
        self,
        rim: Rim,
        what: What,
        name: str = "",
        fields: Mapping[str, object] | None = None,
        *,
        data: bytes = b"",
    ) -> None:
        """Note that something happens now."""
        at = self._clock.monotonic() - self._started
        self._writer.write(
            Entry(at=at, rim=rim, what=what, name=name, data=data, fields=fields or {})
        )

    def note_shares(self) -> None:
        """Note how many shares had which fate, if that has changed."""
        if self.tally is None:
            return
        shares = {str(fate): count for fate, count in self.tally.fates.items()}
        if shares != self._told_shares:
            self._told_shares = shares
            self.note(Rim.DAEMON, What.SHARES, fields=shares)

    def next_work_number(self) -> int:
        """Return a number that no other work has."""
        self._works += 1
        return self._works

    def close(self, wait: float = CLOSE_WAIT) -> None:
        """End the recording; what waits is still written, for ``wait`` seconds at most."""
        self.note_shares()
        self.note(Rim.DAEMON, What.END, fields={"reason": ""})
        self._writer.close(wait)

    # --- Rims ---

    def pool(self, name: str) -> PoolRim:
        """Return what listens at a pool."""
        return RecordedPoolRim(self, name)

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:
        """Return ``measured``, noted at each call."""

        def noted() -> float:
            value = measured()
            self.note(Rim.POOL, What.HASHRATE, pool, {"value": value})
            return value

        return noted

    def hashrates(self, measured: Callable[[], Rates]) -> Callable[[], Rates]:
        """Return ``measured``, noted at each call."""

        def noted() -> Rates:
            rates = measured()
            self.note(Rim.DAEMON, What.HASHRATES, fields={"devices": dict(rates)})
            return rates

        return noted

    def configured(self, config: Config) -> None:
        """Note that settings were read again, and mask their secrets from now on."""
        self.note(Rim.DAEMON, What.CONFIGURED, fields={"config": config})

    def ordered(self, order: PoolOrder) -> None:
        """Note an order; its secrets are masked with the rest, before anything is written."""
        self.note(Rim.DAEMON, What.ORDER, order.pool, {"order": order})

    def later(self, seconds: float, decide: Callable[[], None]) -> Timer:
        """Call ``decide`` after ``seconds``, noted."""

        def noted() -> None:
            self.note(Rim.DAEMON, What.MOMENT)
            decide()

        return asyncio.get_running_loop().call_later(seconds, noted)

    def miner(self, device: str, miner: Miner) -> Miner:
        """Return ``miner``, all that it gives and gets noted."""
        return RecordedMiner(self, device, miner)

    def tap(self, device: str) -> PortTap:
        """Return what listens at a device's ports."""
        return RecordedTap(self, device)

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        """Note of what a device is made."""
        fields = {"driver": driver, "port": asdict(port), "settings": dict(settings)}
        self.note(Rim.PORT, What.DEVICE, device, fields)

    def told(self, device: str, *, clean: bool) -> None:
        """Note that a device is told of a job."""
        self.note(Rim.MINER, What.TOLD, device, {"clean": clean})

    def applied(self, device: str, setpoint: Setpoint) -> None:
        """Note what a device is to do."""
        self.note(Rim.MINER, What.APPLIED, device, asdict(setpoint))

    def stopping(self) -> None:
        """Note that the end begins."""
        self.note(Rim.DAEMON, What.STOPPING)

    def log_for(self, component: str) -> Log:
        """Return the log of a component, its lines from info upwards noted."""
        return RecordedLog(self, component, self._log_for(component), {})

    def _header(self, config: Config, masker: Masker) -> dict[str, object]:
        return {
            "recording": FORMAT,
            "program": f"stratum-client {__version__}",
            "wall": self._clock.wall(),
            "monotonic": self._started,
            "extranonce2_start": 0,
            "config": recorded_config(config, masker),
        }


class RecordedLog:
    """A log whose lines are noted too."""

    def __init__(
        self, recorder: Recorder, component: str, log: Log, fields: Mapping[str, object]
    ) -> None:
        self._recorder = recorder
        self._component = component
        self._log = log
        self._fields = fields

    def bind(self, **fields: object) -> "RecordedLog":
        """Return a log with ``fields`` in each line."""
        bind = getattr(self._log, "bind", None)
        log: Log = bind(**fields) if bind else self._log
        return RecordedLog(self._recorder, self._component, log, {**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> object:
        """Log, unnoted: the bytes are noted already."""
        return self._log.debug(event, **fields)

    def info(self, event: str, **fields: object) -> object:
        """Log and note."""
        self._note("info", event, fields)
        return self._log.info(event, **fields)

    def warning(self, event: str, **fields: object) -> object:
        """Log and note."""
        self._note("warning", event, fields)
        return self._log.warning(event, **fields)

    def error(self, event: str, **fields: object) -> object:
        """Log and note."""
        self._note("error", event, fields)
        return self._log.error(event, **fields)

    def _note(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        plain = Scrubber().fields({**self._fields, **fields})
        line = {"level": level, "event": event, "fields": plain}
        self._recorder.note(Rim.LOG, What.LOGGED, self._component, line)
