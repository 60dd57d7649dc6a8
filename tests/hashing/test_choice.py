"""Which kernels there are, why others are not, and which one is chosen."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.hashing import kernels, native, selftest, timing
from drivers.hashing.kernels import Kernel, KernelUnavailableError

FLAGS = {"sha-ni": {"sha_ni", "avx"}, "avx512": {"avx512f"}, "avx2": {"avx2"}}


def cpu_flags() -> set[str]:
    return set(Path("/proc/cpuinfo").read_text().split())


def test_hashlib_always_serves() -> None:
    assert kernels.available()[-1].name == "hashlib"
    assert kernels.named("hashlib").heads == 1


def test_every_kernel_is_either_available_or_says_why_not() -> None:
    available = {kernel.name for kernel in kernels.available()}
    reasons = kernels.unavailable()

    assert available | set(reasons) == {*native.NAMES, "hashlib"}
    assert not available & set(reasons)
    assert all(reasons.values())


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags of x86-64 CPUs")
def test_the_kernels_are_those_the_cpu_has_flags_for() -> None:
    pytest.importorskip("drivers.hashing._sha256d", reason="the C extension is not built")
    flags = cpu_flags()

    names = {kernel.name for kernel in kernels.available()}

    expected = {name for name, needed in FLAGS.items() if needed <= flags}
    assert names == expected | {"portable", "hashlib"}


def test_without_the_extension_the_reason_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_PROBLEM", "No module named '_sha256d'")

    found, reasons = native.kernels()

    assert found == []
    assert set(reasons) == set(native.NAMES)
    assert "sudo apt install gcc python3-dev" in reasons["portable"]


@pytest.mark.parametrize("problem", ["", "the extension is not built"])
def test_a_midstate_is_the_state_after_one_block(
    monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    monkeypatch.setattr(native, "_PROBLEM", native._PROBLEM or problem)

    # Source: zcash src/zcash/IncrementalMerkleTree.cpp, the second of the empty roots.
    assert kernels.midstate(bytes(64)).hex() == (
        "da5698be17b9b46962335799779fbeca8ce5d491c0d26243bafef9ea1837a9d8"
    )


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KernelUnavailableError, match=r"this machine has: .*hashlib"):
        kernels.named("cuda")


def test_a_kernel_of_another_cpu_is_answered_with_the_reason() -> None:
    for name, reason in kernels.unavailable().items():
        with pytest.raises(KernelUnavailableError) as caught:
            kernels.named(name)
        assert caught.value.reason == reason


@pytest.mark.parametrize("heads", [1, 4, 16])
def test_the_best_kernel_is_an_available_one_and_stays_it(heads: int) -> None:
    best = kernels.best(heads)

    assert best in kernels.available()
    assert kernels.best(heads) is best


@pytest.mark.parametrize("heads", [0, -1, 17])
def test_the_best_kernel_is_for_1_to_16_heads(heads: int) -> None:
    with pytest.raises(ValueError, match="heads must be 1 to 16"):
        kernels.best(heads)


def test_the_quickest_kernel_wins() -> None:
    quick = replace(kernels.named("hashlib"), name="quick", scan_heads=do_nothing)
    others = kernels.available()

    assert timing.quickest([*others, quick], 1).name == "quick"


def do_nothing(starts: object, *rest: object) -> tuple[list[tuple[int, int]], int]:
    """Claim to have tried all: quicker than any kernel can be."""
    count = rest[3]
    assert isinstance(count, int)
    return [], count


def test_the_self_test_passes_every_available_kernel() -> None:
    assert [selftest.problem_of(kernel) for kernel in kernels.available()] == (
        [""] * len(kernels.available())
    )


class Broken:
    """A kernel with one fault, put between the self-test and a good one."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.good = kernels.named("hashlib")

    def __call__(
        self,
        starts: object,
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
    ) -> tuple[list[tuple[int, int]], int]:
        assert isinstance(starts, list)
        hits, tried = self.good.scan_heads(starts, tail, target, start, count, stop)
        match self.fault:
            case "finds nothing":
                hits = []
            case "goes beyond the range":
                hits = [*hits, (start + count, 0)]
            case "mixes up heads":
                hits = [(nonce, (head + 1) % len(starts)) for nonce, head in hits]
            case "miscounts":
                tried -= 1
        return hits, tried


@pytest.mark.parametrize(
    "fault", ["finds nothing", "goes beyond the range", "mixes up heads", "miscounts"]
)
def test_the_self_test_fails_a_broken_kernel(fault: str) -> None:
    kernel = Kernel("broken", 4, Broken(fault), Broken(fault))

    assert selftest.problem_of(kernel).startswith("failed its self-test")
