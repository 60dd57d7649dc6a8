"""The miner as one device sees it, with notes of the work it gives and the solutions it gets."""

from collections import OrderedDict

from drivers.api import Miner, Solution, Work
from stratum_client.job import PoolWork
from stratum_client.recording.entries import Rim, What
from stratum_client.recording.notes import Notes

KEPT_WORKS = 4096
"""Works of one device that a solution may still name; no chip remembers as many."""


class RecordedMiner:
    """Implements `drivers.api.Miner` in front of another one."""

    def __init__(self, notes: Notes, device: str, miner: Miner) -> None:
        self._notes = notes
        self._device = device
        self._miner = miner
        self._works: OrderedDict[int, tuple[int, Work]] = OrderedDict()  # kept, so ids stay theirs

    def next_work(self) -> Work | None:
        """Return fresh work, noted."""
        work = self._miner.next_work()
        if work is None:
            self._notes.note(Rim.MINER, What.NO_WORK, self._device)
            return None
        number = self._notes.next_work_number()
        self._works[id(work)] = number, work
        if len(self._works) > KEPT_WORKS:
            self._works.popitem(last=False)
        self._notes.note(Rim.MINER, What.WORK, self._device, _fields_of(work, number))
        return work

    def found(self, solution: Solution) -> float:
        """Note a claimed solution before it is judged; return its true difficulty."""
        number, _ = self._works.get(id(solution.work), (0, None))
        fields = {
            "work": number,
            "nonce": f"{solution.nonce:08x}",
            "version": f"{solution.version:08x}",
            "ntime": f"{solution.ntime:08x}",
        }
        self._notes.note(Rim.MINER, What.FOUND, self._device, fields)
        return self._miner.found(solution)


def _fields_of(work: Work, number: int) -> dict[str, object]:
    """Return what is noted of ``work``; ``header`` are the 76 bytes before the nonce."""
    fields: dict[str, object] = {"work": number}
    if isinstance(work, PoolWork):
        fields |= {
            "pool": work.job.session.pool,
            "job": work.job.job_id,
            "extranonce2": work.extranonce2.hex(),
        }
    header = work.header()[:76].hex()
    return fields | {
        "header": header,
        "mask": f"{work.version_mask:08x}",
        "target": f"{work.target:064x}",
    }
