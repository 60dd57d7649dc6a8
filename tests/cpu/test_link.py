import pytest

from drivers.api import Solution, Work
from drivers.cpu.frames import (
    Assignment,
    Exhausted,
    Found,
    Frame,
    FrameError,
    FrameReader,
    Limits,
    Progress,
    Ready,
    Stop,
    encode,
)
from drivers.cpu.link import Event, WorkerLink
from drivers.cpu.settings import CpuSettings

WORK = Work(
    version=0x20000000,
    version_mask=0x1FFFE000,
    prev_hash=bytes(range(32)),
    merkle_root=bytes(range(32, 64)),
    ntime=0x64000000,
    nbits=0x1D00FFFF,
    target=1 << 240,
)
OTHER = Work(
    version=0x20000000,
    version_mask=0,
    prev_hash=bytes(32),
    merkle_root=bytes(32),
    ntime=0x65000000,
    nbits=0x1D00FFFF,
    target=1 << 230,
)


def sent(data: bytes) -> Frame:
    [frame] = FrameReader().receive_data(data)
    return frame


def events(link: WorkerLink, *frames: Frame) -> list[Event]:
    return [*link.receive_data(b"".join(map(encode, frames)))]


def test_work_becomes_an_assignment() -> None:
    settings = CpuSettings(threads=1, first_nonce=77, first_version_bits=0x00B44000, nonces=9)

    frame = sent(WorkerLink(settings).assign(WORK))

    assert frame == Assignment(
        sequence=1,
        prefix=bytes.fromhex("00000020") + bytes(range(64)) + bytes.fromhex("00000064ffff001d"),
        version_mask=0x1FFFE000,
        target=1 << 240,
        first_version=0x00B44000 >> 13,
        first_nonce=77,
        nonces=9,
    )


@pytest.mark.parametrize(("threads", "solutions"), [(1, 200), (2, 100), (10, 20), (256, 20)])
def test_the_limit_of_solutions_is_shared_by_the_workers(threads: int, solutions: int) -> None:
    link = WorkerLink(CpuSettings(threads=threads, duty=70))

    assert sent(link.limits()) == Limits(duty=70, solutions=solutions)


def test_the_worker_is_ready_once_whatever_kernels_follow() -> None:
    link = WorkerLink(CpuSettings(threads=1))

    assert events(link, Ready(kernel="avx512")) == [Ready(kernel="avx512")]
    assert events(link, Ready(kernel="sha-ni")) == []
    assert link.kernel == "sha-ni"


def test_what_is_found_becomes_a_solution_of_the_work_it_is_from() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)
    link.assign(OTHER)

    found = events(
        link,
        Found(sequence=1, nonce=5, version=0x20002000),
        Found(sequence=2, nonce=6, version=0x20000000),
    )

    assert found == [
        Solution(work=WORK, nonce=5, version=0x20002000, ntime=0x64000000),
        Solution(work=OTHER, nonce=6, version=0x20000000, ntime=0x65000000),
    ]


def test_what_was_found_before_a_stop_still_counts() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)

    assert sent(link.stop()) == Stop()

    assert not link.busy
    assert events(link, Found(sequence=1, nonce=5, version=0x20000000)) == [
        Solution(work=WORK, nonce=5, version=0x20000000, ntime=0x64000000)
    ]


def test_only_the_newest_work_can_be_exhausted() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)
    link.assign(OTHER)

    assert events(link, Exhausted(sequence=1)) == []
    assert events(link, Exhausted(sequence=2)) == [Exhausted(sequence=2)]


def test_exhaustion_after_a_stop_asks_for_nothing() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)
    link.stop()

    assert events(link, Exhausted(sequence=1)) == []


def test_old_work_is_forgotten_when_the_worker_has_moved_on() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)
    link.assign(OTHER)
    events(link, Progress(sequence=2, hashes=1, held_back=False))

    with pytest.raises(FrameError, match="work 1"):
        events(link, Found(sequence=1, nonce=5, version=0x20000000))


def test_being_held_back_is_known_until_the_next_word() -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)

    events(link, Progress(sequence=1, hashes=1, held_back=True))
    held_back = link.held_back
    events(link, Progress(sequence=1, hashes=1, held_back=False))

    assert held_back
    assert not link.held_back


@pytest.mark.parametrize(
    "frame",
    [
        Found(sequence=2, nonce=0, version=0),
        Progress(sequence=0, hashes=1, held_back=False),
        Exhausted(sequence=7),
        Stop(),
        Limits(duty=1, solutions=1),
    ],
)
def test_a_worker_that_talks_nonsense_is_an_error(frame: Frame) -> None:
    link = WorkerLink(CpuSettings(threads=1))
    link.assign(WORK)

    with pytest.raises(FrameError):
        events(link, frame)
