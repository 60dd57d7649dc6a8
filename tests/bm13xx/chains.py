"""A chain brought up against a stand-in that answers the count of chips and nothing else."""

from collections.abc import Iterable, Iterator

from drivers.api import Work
from drivers.bm13xx.bring_up import Action, AwaitSilence, Send, SwitchBaud
from drivers.bm13xx.chain import Chain, ChipSolution
from drivers.bm13xx.chip import ChipSpec
from drivers.header import target_of
from tests.bm13xx import wire

HARD = target_of(1 << 20)
"""So hard a share that the chips' speed alone decides on their ticket."""


def performed(
    chain: Chain, actions: Iterable[Action], *, answering: int, model: ChipSpec | None = None
) -> Iterator[Action]:
    """Yield ``actions`` while ``answering`` chips, of ``model``, answer when they are counted."""
    for action in actions:
        if isinstance(action, AwaitSilence):
            chain.receive_data(wire.chip_id_reply(model or chain.spec) * answering)
        yield action


def ready(spec: ChipSpec, *, chips: int = 1, mhz: float = 0.0, scale: float = 1.0) -> Chain:
    """Return a chain that is ready for work."""
    chain = Chain(spec, chips=chips, scale=scale)
    for _ in performed(chain, chain.bring_up(mhz or spec.frequency.default), answering=chips):
        pass
    return chain


def sent(actions: Iterable[Action]) -> list[bytes]:
    """Return what the actions write."""
    return [action.data for action in actions if isinstance(action, Send) and action.data]


def lines(actions: Iterable[Action]) -> list[str]:
    """Return the actions as the lines of a start-up in the vectors, blocks cut into frames."""
    found: list[str] = []
    for action in actions:
        match action:
            case Send(data=data):
                frames = data.hex().split("55aa")[1:]
                found += ["55aa" + frame for frame in frames]
            case AwaitSilence():
                found.append("<count>")
            case SwitchBaud():
                found.append("<baud>")
    return found


def solution_in(chain: Chain, data: bytes) -> ChipSolution:
    """Return the one solution in ``data``."""
    [found] = chain.receive_data(data)
    assert isinstance(found, ChipSolution)
    return found


def work(*, number: int = 0, version_mask: int = 0x1FFFE000, target: int = HARD) -> Work:
    """Return work that is different for every ``number``."""
    return Work(
        version=0x20000000,
        version_mask=version_mask,
        prev_hash=bytes(range(32)),
        merkle_root=number.to_bytes(32, "big"),
        ntime=0x66B299D2,
        nbits=0x17031ABE,
        target=target,
    )
