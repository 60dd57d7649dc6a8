"""The nonces of a chain: every one has the right owner, every header is tried once."""

from random import Random

import pytest

from drivers.bm13xx.emulated_models import BM1362, BM1366, BM1387, BM1397, ChipModel
from drivers.bm13xx.emulated_plan import VersionBatches
from drivers.bm13xx.emulated_space import NonceSpace, Progress, Walk

SLICE = 1 << 18  # nonces of a core for each even address of a BM1362


def test_hardware_nonces_of_two_chips_belong_to_those_chips() -> None:
    # Bitcoin block 839900, mined by a 126-chip BM1362 chain at interval 2: 256foundation/mujina
    # found nonces of the chips C0 and C2; the S19j Pro nonce 6DB88EE1 came from chip DC.
    walks = [Walk(i, i * SLICE, SLICE) for i in range(126)]
    space = NonceSpace(BM1362.nonce, BM1362.cores, walks)

    assert [walk.chip for walk in space.owners(0x6DB88EE1)] == [0xDC // 2]


def test_a_core_that_a_chip_does_not_have_owns_nothing() -> None:
    space = NonceSpace(BM1366.nonce, BM1366.cores, [Walk(0, 0, 1 << 25)])

    assert space.owners(111 << 25)
    assert not space.owners(112 << 25)


def test_walks_that_overlap_find_the_same_nonces() -> None:
    walks = [Walk(0, 0, 1 << 25), Walk(1, 1 << 24, 1 << 24)]
    space = NonceSpace(BM1366.nonce, BM1366.cores, walks)

    assert [walk.chip for walk in space.owners(0x00000001)] == [0]
    assert [walk.chip for walk in space.owners(0x01000001)] == [0, 1]


def test_a_walk_goes_on_from_the_end_to_the_beginning() -> None:
    space = NonceSpace(BM1366.nonce, BM1366.cores, [Walk(0, (1 << 25) - 10, 20)])

    assert space.owners((1 << 25) - 1)
    assert space.owners(9)
    assert not space.owners(10)


@pytest.mark.parametrize(
    ("model", "walks"),
    [
        (BM1366, [Walk(0, 0, 1 << 25)]),
        (BM1366, [Walk(0, 0, 330162), Walk(1, 1 << 24, 330162, 0.5)]),
        (BM1397, [Walk(0, 0, 1 << 21), Walk(1, 1 << 21, 1 << 21)]),
        (BM1387, [Walk(0, 0, 1 << 31), Walk(1, 1 << 31, 1 << 31)]),
        (BM1387, [Walk(0, 5, (1 << 31) - 1)]),
    ],
)
def test_the_strips_are_worth_all_that_the_chips_walk(model: ChipModel, walks: list[Walk]) -> None:
    fields, cores = model.nonce, model.cores
    space = NonceSpace(fields, cores, walks)

    engines = fields.lanes * (cores if fields.core_bits else 1)
    walked = sum(walk.count * walk.share for walk in walks) * engines
    assert sum(strip.worth for strip in space.strips(7)) * (1 << 16) == pytest.approx(walked)
    assert all(strip.columns <= 7 for strip in space.strips(7))


@pytest.mark.parametrize(("strips", "batches"), [(1, 1), (3, 8), (16, 64), (5, 4)])
def test_every_strip_meets_every_batch_once_before_one_repeats(strips: int, batches: int) -> None:
    progress = Progress(Random(4))

    met = [progress.next(strips, batches) for _ in range(2 * strips * batches)]

    first = {(batch, strip) for _, batch, strip in met[: strips * batches]}
    assert len(first) == strips * batches
    assert len(set(met)) == 2 * strips * batches


@pytest.mark.parametrize("mask", [0xFFFF, 0x0000, 0x0001, 0x00F0, 0x1FF8, 0x8421])
@pytest.mark.parametrize(("sub_cores", "together"), [(8, 8), (16, 16), (16, 4), (8, 1)])
def test_the_version_counters_are_all_those_within_the_mask(
    mask: int, sub_cores: int, together: int
) -> None:
    batches = VersionBatches(mask, sub_cores, together)

    counters = [counter for i in range(len(batches)) for counter in batches[i]]

    assert len(counters) == len(set(counters)) == 1 << mask.bit_count()
    assert all(counter | mask == mask for counter in counters)


def test_with_a_full_mask_the_low_bits_of_the_counter_name_the_sub_core() -> None:
    batches = VersionBatches(0xFFFF, 16, 16)

    assert [batches.sub_core(counter) for counter in batches[33]] == list(range(16))
    assert batches[33][5] == 33 * 16 + 5
