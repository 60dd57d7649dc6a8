"""One emulated device: a chain of chips, and the board around it if it has one. Sans-IO.

The board joins what the control port switches (reset line, voltage, fan) to what the chips do and
how warm they get. A device without a board is a bare chain on a UART, always powered.
"""

import math
from typing import TYPE_CHECKING, Protocol

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_search import Hit, Search
from drivers.peripherals.emulated_faults import due
from drivers.peripherals.emulated_heat import BoardHeat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


BROWN_OUT_SECONDS = 0.5
"""How long a device without enough power stays away; assumed."""


class ControlPort(Protocol):
    """The second port of a board."""

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Take what the host sent at the time ``now``; return the replies that are ready."""
        ...

    def due(self, now: float) -> bytes:
        """Return replies that had to wait until ``now``."""
        ...


class EmulatedBoard:
    """What surrounds the chips: a control port, the heat, and whether the reset line is high.

    ``resets`` counts reset pulses that are over before anybody could look at the line.
    ``self_powered`` boards go on as they are when USB is pulled.
    """

    def __init__(
        self,
        control: ControlPort,
        heat: BoardHeat,
        *,
        reference_mhz: float,
        reset_is_high: "Callable[[], bool]",
        resets: "Callable[[], int]" = lambda: 0,
    ) -> None:
        self.control = control
        self.heat = heat
        self.reset_is_high = reset_is_high
        self.resets = resets
        self.reference_mhz = reference_mhz


class EmulatedDevice:
    """A device as its ports show it: bytes of the data port, bytes of the control port.

    ``brown_outs`` counts how often its supply was too weak.

    ``now`` is in seconds and never decreases. Each call lets the board's time pass.
    """

    def __init__(self, name: str, chain: EmulatedChain, board: EmulatedBoard | None = None) -> None:
        self.name = name
        self.chain = chain
        self.board = board
        self.brown_outs = 0
        self._began: float | None = None
        self._starved_until = -math.inf
        self._resets = 0
        self._connect()

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Return the chips' answer to ``data`` on the data port."""
        self._advance(now)
        answer = self.chain.receive_data(data)
        self._connect()
        return answer

    def receive_control(self, data: bytes, now: float) -> bytes:
        """Return the board's answer to ``data`` on the control port; a bare chain has none."""
        if self.board is None:
            return b""
        self._advance(now)
        answer = self.board.control.receive_data(data, now)
        self._connect()
        return answer

    def control_due(self, now: float) -> bytes:
        """Return what a slow control port has held back until ``now``."""
        return self.board.control.due(now) if self.board else b""

    def search(self, now: float) -> Search | None:
        """Return what must be hashed now, see `EmulatedChain.search`."""
        self._advance(now)
        return self.chain.search(now)

    def responses(self, search: Search, hits: "Sequence[Hit]") -> bytes:
        """Return what the chips send for the ``hits`` of ``search``."""
        return self.chain.responses(search, hits)

    def unplugged(self, now: float) -> bool:
        """Return whether the ports are gone by the time ``now``."""
        if self._began is None:
            self._began = now
        faults, elapsed = self.chain.faults, now - self._began
        gone = due(faults.unplug_after, elapsed)
        return self._is_starved(now) or (gone and not due(faults.replug_after, elapsed))

    def _is_starved(self, now: float) -> bool:
        """Return whether the supply has broken down under the load, and is not up again."""
        limit = self.chain.faults.browns_out_above
        if limit is not None and self.chain.activity > limit:
            self.chain.hold_reset(low=True)
            self.chain.hold_reset(low=False)
            self.brown_outs += 1
            self._starved_until = now + BROWN_OUT_SECONDS
        return now < self._starved_until

    def plugged_in(self) -> None:
        """Start anew after an unplug, unless the board has a supply of its own."""
        if self.board is None:
            self.chain.hold_reset(low=True)
            self.chain.hold_reset(low=False)

    def lines_moved(self) -> None:
        """Let the chips see what was switched past both ports, by pins of a bridge."""
        self._connect()

    @property
    def has_control(self) -> bool:
        """Return whether there is a control port."""
        return self.board is not None

    def _advance(self, now: float) -> None:
        if self._began is None:
            self._began = now
        if self.board:
            self.board.heat.advance(now)
            self._connect()

    def _connect(self) -> None:
        """Let chips and board see each other's state."""
        board, chain = self.board, self.chain
        if board is None:
            return
        running = board.reset_is_high()
        if board.resets() != self._resets:
            self._resets = board.resets()
            chain.hold_reset(low=True)
        chain.hold_reset(low=not running)
        chain.set_volts(board.heat.core_volts)
        chain.set_temperature(board.heat.die)
        chain.silicon = board.heat.silicon
        board.heat.release_reset(released=running and not chain.dead)
        board.heat.activity = chain.activity / board.reference_mhz
