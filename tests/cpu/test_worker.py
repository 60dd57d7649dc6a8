"""The searching side of a worker, in this process and without a second thread."""

import hashlib
import random
import struct
from collections import Counter
from collections.abc import Sequence
from itertools import product
from queue import Empty, SimpleQueue

import pytest

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
)
from drivers.cpu.worker import Choose, Inbox, Searcher
from drivers.hashing.kernels import MAX_HEADS, Kernel, named
from drivers.hashing.scan import Scan
from drivers.header import MAX_TARGET

BASE = 0x20000000
PREFIX = BASE.to_bytes(4, "little") + hashlib.sha512(b"some header").digest() + b"12345678"
ONE_IN_16 = (1 << 252) - 1
NO_LIMITS = Limits(duty=100, solutions=65535)


class Parent:
    """Reads what the searcher sends; ends it after a number of exhausted works."""

    def __init__(self, choose: Choose, *, works: int = 1, inbox: Inbox | None = None) -> None:
        self.inbox = inbox or Inbox()
        self.frames: list[Frame] = []
        self._works = works
        self._reader = FrameReader()
        self._searcher = Searcher(self.inbox, self._receive, choose)

    def serve(self, *commands: Frame) -> list[Frame]:
        """Return all that the searcher says to ``commands``."""
        for command in commands:
            self.inbox.put(command)
        self._searcher.announce()
        self._searcher.serve()
        return self.frames

    def _receive(self, data: bytes) -> None:
        self.frames += self._reader.receive_data(data)
        if sum(isinstance(frame, Exhausted) for frame in self.frames) == self._works:
            self.inbox.put(None)


class RestingInbox(Inbox):
    """Brings a further command when the searcher has none left and nothing to do."""

    def __init__(self, further: Frame) -> None:
        super().__init__()
        self._further: list[Frame] = [further]

    def wait(self, seconds: float | None) -> list[Frame | None]:
        if seconds is None and self._commands.empty() and self._further:
            self.put(self._further.pop())
        return super().wait(seconds)


def assignment(
    *,
    sequence: int = 1,
    mask: int = 0,
    target: int = ONE_IN_16,
    first_version: int = 0,
    first_nonce: int = 0,
    nonces: int = 300,
) -> Assignment:
    return Assignment(
        sequence=sequence,
        prefix=PREFIX,
        version_mask=mask,
        target=target,
        first_version=first_version,
        first_nonce=first_nonce,
        nonces=nonces,
    )


def is_hit(version: int, nonce: int, target: int) -> bool:
    header = struct.pack("<I", version) + PREFIX[4:] + struct.pack("<I", nonce)
    digest = hashlib.sha256(hashlib.sha256(header).digest()).digest()
    return int.from_bytes(digest, "little") <= target


def kernel_of(scan: Scan, *, heads: int, name: str = "fake") -> Kernel:
    return Kernel(name, heads, scan, scan)


def always(scan: Scan, *, heads: int = 1) -> Choose:
    kernel = kernel_of(scan, heads=heads)
    return lambda _: kernel


def with_hashlib(_: int) -> Kernel:
    return named("hashlib")


@pytest.mark.parametrize("first_nonce", [0, 1000, 2**32 - 150])
@pytest.mark.parametrize("mask", [0, 0x6000])
def test_exactly_the_solutions_there_are_get_found(mask: int, first_nonce: int) -> None:
    work = assignment(mask=mask, first_nonce=first_nonce, first_version=bool(mask))

    frames = Parent(with_hashlib).serve(NO_LIMITS, work)

    nonces = [(first_nonce + n) % 2**32 for n in range(300)]
    versions = {BASE | bits & mask for bits in (0, 0x2000, 0x4000, 0x6000)}
    wanted = [pair for pair in product(versions, nonces) if is_hit(*pair, ONE_IN_16)]
    found = [(f.version, f.nonce) for f in frames if isinstance(f, Found)]
    assert sorted(found) == sorted(wanted)
    assert wanted


def test_several_heads_at_a_time_find_the_same() -> None:
    plain = named("hashlib").scan_heads
    work = assignment(mask=0x001E0000, nonces=50)

    frames = Parent(always(plain, heads=6)).serve(NO_LIMITS, work)

    versions = [BASE | n << 17 for n in range(16)]
    wanted = [pair for pair in product(versions, range(50)) if is_hit(*pair, ONE_IN_16)]
    found = [(f.version, f.nonce) for f in frames if isinstance(f, Found)]
    assert sorted(found) == sorted(wanted)


def test_no_hash_is_tried_twice_and_none_skipped_however_often_the_search_is_stopped() -> None:
    chance = random.Random(5)
    tried: Counter[tuple[int, int]] = Counter()

    def scan(
        starts: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
        /,
    ) -> tuple[list[tuple[int, int]], int]:
        done = 0 if stop[0] else chance.randint(0, count)
        if done < count:
            parent.inbox.put(NO_LIMITS)  # a command arrives in the middle of a scan
        versions = [int.from_bytes(head[:4], "little") for head in starts]
        tried.update(product(versions, range(start, start + done)))
        return [], done

    parent = Parent(always(scan, heads=3))
    frames = parent.serve(
        NO_LIMITS, assignment(mask=0x6000, first_version=2, first_nonce=2**32 - 700, nonces=1500)
    )

    versions = [BASE, BASE | 0x2000, BASE | 0x4000, BASE | 0x6000]
    nonces = [(2**32 - 700 + n) % 2**32 for n in range(1500)]
    assert tried == Counter(product(versions, nonces))
    assert sum(f.hashes for f in frames if isinstance(f, Progress)) == 4 * 1500


def test_a_target_that_every_hash_meets_skips_nothing() -> None:
    work = assignment(target=MAX_TARGET, nonces=200)

    frames = Parent(with_hashlib).serve(NO_LIMITS, work)

    assert [f.nonce for f in frames if isinstance(f, Found)] == [*range(200)]


def test_an_exhausted_work_is_reported_last() -> None:
    frames = Parent(with_hashlib).serve(NO_LIMITS, assignment(target=0))

    assert frames == [
        Ready(kernel="hashlib"),
        Progress(sequence=1, hashes=300, held_back=False),
        Exhausted(sequence=1),
    ]


def test_being_held_back_is_reported() -> None:
    limits = Limits(duty=100, solutions=100)

    frames = Parent(with_hashlib).serve(limits, assignment(target=MAX_TARGET, nonces=50))

    assert any(f.held_back for f in frames if isinstance(f, Progress))


def test_new_work_replaces_the_old_at_once_and_the_finds_before_it_are_kept() -> None:
    calls: list[tuple[int, bool]] = []

    def scan(
        starts: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
        /,
    ) -> tuple[list[tuple[int, int]], int]:
        calls.append((target, bool(stop[0])))
        if target == 1:
            parent.inbox.put(assignment(sequence=2, target=2, nonces=1))
            return [(start, 0)], 1
        return [], count

    parent = Parent(always(scan))
    frames = parent.serve(NO_LIMITS, assignment(sequence=1, target=1, nonces=2**32))

    searched = [target for target, stopped in calls if not stopped]
    assert searched == [1, 2]
    assert frames[1] == Found(sequence=1, nonce=0, version=BASE)
    assert frames[-1] == Exhausted(sequence=2)


def test_after_a_stop_nothing_is_searched_and_what_was_done_is_reported() -> None:
    targets: list[int] = []

    def scan(
        starts: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
        /,
    ) -> tuple[list[tuple[int, int]], int]:
        targets.append(target)
        parent.inbox.put(Stop() if target == 1 else None)
        return [], 10

    parent = Parent(always(scan), inbox=RestingInbox(assignment(sequence=2, target=2)))
    frames = parent.serve(NO_LIMITS, assignment(sequence=1, target=1))

    assert targets == [1, 2], "the second work came when the searcher had come to rest"
    assert frames[1:] == [Progress(sequence=1, hashes=10, held_back=False)]


def test_an_exhausted_searcher_rests_until_there_is_more() -> None:
    parent = Parent(with_hashlib, works=2, inbox=RestingInbox(assignment(sequence=2)))

    frames = parent.serve(NO_LIMITS, assignment(sequence=1))

    assert [f.sequence for f in frames if isinstance(f, Exhausted)] == [1, 2]
    assert sum(f.hashes for f in frames if isinstance(f, Progress)) == 600


def test_the_kernel_is_chosen_by_the_number_of_versions() -> None:
    plain = named("hashlib").scan_heads
    kernels = {
        1: kernel_of(plain, heads=1, name="for one"),
        4: kernel_of(plain, heads=4, name="for four"),
        MAX_HEADS: kernel_of(plain, heads=8, name="for many"),
    }
    works = [
        assignment(sequence=1, mask=0x1F),
        assignment(sequence=2, mask=0),
        assignment(sequence=3, mask=0b1001),
    ]

    class OneByOne(Parent):
        def _receive(self, data: bytes) -> None:
            super()._receive(data)
            if isinstance(self.frames[-1], Exhausted) and works:
                self.inbox.put(works.pop(0))

    parent = OneByOne(kernels.__getitem__, works=3)
    frames = parent.serve(NO_LIMITS, works.pop(0))

    names = [frame.kernel for frame in frames if isinstance(frame, Ready)]
    assert names == ["for many", "for one", "for four"]


def test_a_frame_that_is_no_command_is_an_error() -> None:
    with pytest.raises(FrameError):
        Parent(with_hashlib).serve(Exhausted(sequence=1))


def test_the_end_of_the_commands_ends_the_search() -> None:
    parent = Parent(with_hashlib)
    parent.inbox.put(None)

    assert parent.serve(assignment(nonces=2**32)) == [Ready(kernel="hashlib")]


def test_a_command_sets_the_stop_flag_and_the_look_clears_it() -> None:
    inbox = Inbox()

    inbox.put(Stop())
    before = inbox.stop[0]
    commands = inbox.wait(None)

    assert before == 1
    assert commands == [Stop()]
    assert inbox.stop[0] == 0
    assert inbox.wait(0.0) == []


@pytest.mark.parametrize("already_there", [0, 1, 3])
def test_a_command_that_comes_right_after_the_look_stops_the_next_search(
    already_there: int,
) -> None:
    class LateCommand(SimpleQueue[Frame | None]):
        """The reading thread puts a command when the other has just seen that there is none."""

        late = False

        def get(self, block: bool = True, timeout: float | None = None) -> Frame | None:
            try:
                return super().get(block, timeout)
            except Empty:
                if not self.late:
                    self.late = True
                    inbox.put(Stop())
                raise

        def get_nowait(self) -> Frame | None:
            return self.get(block=False)

    inbox = Inbox()
    inbox._commands = LateCommand()
    for _ in range(already_there):
        inbox.put(NO_LIMITS)

    assert inbox.wait(0.0) == [NO_LIMITS] * already_there
    assert inbox.stop[0] == 1
    assert inbox.wait(0.0) == [Stop()]
    assert inbox.stop[0] == 0
