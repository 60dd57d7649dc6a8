"""Makes sure that the right device is on a port, by works whose first nonce is known."""

from drivers.errors import BringUpError
from drivers.icarus.frames import rockminer_step
from drivers.icarus.golden import (
    DIVISION_HASHES,
    DIVISION_WORK,
    GOLDEN_WORK,
    answer_after_golden,
    division_in,
    rockminer_golden_work,
)
from drivers.icarus.model import Model
from drivers.icarus.wire import Wire
from drivers.transports.failure import Failure

TRIES = 2
ANSWER_SECONDS = 0.3
"""An FPGA needs half a millisecond for the work, and a UART six for the packet."""

REST_SECONDS = 0.01
"""An answer longer than expected is complete so much later."""

SILENCE = 0.1

_DIVISION_MARGIN = 0.5
_LONGEST = 64
_FAMILIES = {
    4: "an Icarus, Lancelot, Cairnsmore or Block Erupter",
    5: "an Antminer U1, U2 or U3",
    8: "a Rockminer",
}
_ROCKMINERS = {0x40: "T1", 0x80: "T2", 0xC0: "test board"}


class WrongDeviceError(BringUpError):
    """Something answered, but not what the port was said to have."""


async def recognize(wire: Wire, failure: Failure, model: Model, mhz: float | None) -> None:
    """Return if a ``model`` is on the port; raise BringUpError, WrongDeviceError if not."""
    for number in range(max(TRIES, model.lanes)):
        await wire.silence(failure, SILENCE)
        packet = _golden_packet(model, number % model.lanes, mhz)
        size = model.form.answer_size
        heard = await wire.listen(failure, packet, enough=size, seconds=ANSWER_SECONDS)
        heard += await wire.listen(failure, b"", enough=_LONGEST, seconds=REST_SECONDS)
        answer = answer_after_golden(heard, model.corrections)
        if answer is None:
            continue
        if _is_answer_of(wire.name, model, answer):
            return
    raise BringUpError(
        wire.name,
        f"no {model.title} here: the known nonce of the test work did not come; "
        "is this the right port, and has the device power?",
    )


async def division_of(wire: Wire, failure: Failure, seconds_per_hash: float) -> int | None:
    """Return in how many parts the device searches the nonces, None if it does not tell."""
    await wire.silence(failure, SILENCE)
    seconds = DIVISION_HASHES * seconds_per_hash + _DIVISION_MARGIN
    heard = await wire.listen(failure, DIVISION_WORK, enough=4, seconds=seconds)
    return division_in(heard)


def _golden_packet(model: Model, lane: int, mhz: float | None) -> bytes:
    if model.task_seconds is None:
        return GOLDEN_WORK
    return rockminer_golden_work(lane, rockminer_step(mhz or 0.0))


def _is_answer_of(port: str, model: Model, answer: bytes) -> bool:
    """Return whether ``answer`` has the right length; raise WrongDeviceError for another's."""
    size = model.form.answer_size
    if model.task_seconds is not None and len(answer) >= size and len(answer) % size == 0:
        product = _ROCKMINERS.get(answer[5] & 0xC0)
        if product:
            raise WrongDeviceError(port, f"this is a Rockminer {product}, not a {model.title}")
        return True
    if len(answer) != size and (family := _FAMILIES.get(len(answer))):
        problem = f"this is {family}: it answers with {len(answer)} bytes, a {model.title} with "
        raise WrongDeviceError(port, f"{problem}{size}; name the driver that fits")
    return len(answer) == size
