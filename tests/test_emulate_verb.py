"""`stratum-client emulate device`: paths on stdout, a chain behind them, a clean end."""

import os
import select
import signal
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import PATIENCE, Running

READ_CHIP_IDS = bytes.fromhex("55aa52050000 0a")
"""Source: captures of every BM13xx host that speaks frames with a preamble, chip id request."""

BM1370_ID = bytes.fromhex("aa5513700000")
"""Source: 256foundation/mujina, mujina-miner/src/asic/bm13xx: how the chip's answer begins."""


@contextmanager
def emulated(folder: Path, *arguments: str) -> Iterator[Running]:
    run = Running("emulate", "device", *arguments, folder=folder)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def ports_of(run: Running, count: int = 1) -> list[str]:
    """Return the ports that an emulation prints, once it serves them."""
    run.wait_until(lambda run: "to mine with it" in run.err and len(run.out.split()) == count)
    return run.out.split()


@contextmanager
def opened(path: str) -> Iterator[int]:
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(port)
        yield port
    finally:
        os.close(port)


def answer(port: int, request: bytes, size: int) -> bytes:
    """Return ``size`` bytes of the answer to ``request``."""
    os.write(port, request)
    data, deadline = b"", time.monotonic() + PATIENCE
    while len(data) < size:
        assert select.select([port], [], [], deadline - time.monotonic())[0], f"only {data.hex()}"
        data += os.read(port, 4096)
    return data


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_chain_answers_on_the_printed_path_until_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with emulated(tmp_path, "bm1370", "--chips", "3", "--pty") as run:
        [path] = ports_of(run)

        with opened(path) as port:
            replies = answer(port, READ_CHIP_IDS, 27)

        assert [replies[n : n + 6] for n in (0, 9, 18)] == [BM1370_ID] * 3
        assert run.ended(number) == 0
        assert not Path(path).exists()
        assert "3 BM1370 chips" in run.err
        assert "Traceback" not in run.err


def test_a_board_shows_its_data_port_and_then_its_control_port(tmp_path: Path) -> None:
    with emulated(tmp_path, "bitaxe-gamma", "--link", str(tmp_path / "gamma")) as run:
        ports = ports_of(run, 2)

        assert ports == [str(tmp_path / "gamma"), str(tmp_path / "gamma-control")]
        with opened(ports[1]) as control:
            # Source: korbin/bitaxe-raw: length 7, id 5, bus 0, page 6 (GPIO), pin 0, level 1.
            assert answer(control, bytes.fromhex("07000500060001"), 4).hex()[4:6] == "05"
        assert run.ended() == 0
        assert not (tmp_path / "gamma").is_symlink()


def test_the_same_seed_gives_the_same_faults(tmp_path: Path) -> None:
    replies = []
    for seed in ("7", "7", "8"):
        options = ("--seed", seed, "--fault", "flip=0.02", "--fault", "insert=0")
        words = ("bm1370", "--chips", "10", *options)
        with emulated(tmp_path, *words) as run, opened(*ports_of(run)) as port:
            replies.append(answer(port, READ_CHIP_IDS, 90))

    assert replies[0] == replies[1] != replies[2]


def test_an_unplugged_device_comes_back_under_its_link(tmp_path: Path) -> None:
    faults = ("--fault", "unplug-after=0.1", "--fault", "replug-after=0.2")
    with emulated(tmp_path, "bm1370", "--link", str(tmp_path / "chip"), *faults) as run:
        run.wait_for("bm1370: unplugged")
        run.wait_for("plugged in again: .*chip")

        with opened(str(tmp_path / "chip")) as port:
            assert answer(port, READ_CHIP_IDS, 9)[:6] == BM1370_ID


def test_what_a_real_chip_would_refuse_is_told(tmp_path: Path) -> None:
    with emulated(tmp_path, "bm1370", "--for", "30s") as run, opened(*ports_of(run)) as port:
        # An address for chips that were never told to wait for one; CRC-5 from the captures.
        os.write(port, bytes.fromhex("55aa40050000 1c"))
        run.wait_for("refused: ")


def test_it_stops_by_itself_after_the_time_given(tmp_path: Path) -> None:
    with emulated(tmp_path, "bm1366", "--for", "0.1s") as run:
        assert run.exit_code() == 0
        assert "0 nonces sent" in run.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["bm1371"], "bm1371: no such device; did you mean bm13"),
        (["bm1370", "--fault", "drpo=1"], "drpo: no such fault; did you mean drop"),
        (["bm1370", "--fault", "drop=2"], "out of range for probability"),
        (["bm1370", "--chips", "0"], "a chain has 1 to 256 chips, not '0'"),
        (["bm1370", "--scale", "2"], "a scale is above 0 and at most 1, not '2'"),
    ],
)
def test_wrong_arguments_are_told_with_what_is_allowed(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    with emulated(tmp_path, *arguments) as run:
        assert run.exit_code() == 2
        assert problem in run.err
        assert not run.out


def test_a_link_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with emulated(tmp_path, "bm1370", "--link", str(tmp_path / "none" / "chip")) as run:
        assert run.exit_code() == 1
        assert "none/chip: No such file or directory" in run.err


GOLDEN_WORK = bytes.fromhex(
    "4679ba4ec99876bf4bfe086082b400254df6c356451471139a3afa71e48f544a"
    + 20 * "00"
    + "87320b1a1426674f2fa722ce"
)
"""Source: kanoi/cgminer, driver-icarus.c: what every such device answers to."""

GOLDEN_NONCE = "000187a2"


@pytest.mark.parametrize(("name", "size"), [("block-erupter", 4), ("antminer-u1", 5)])
def test_an_icarus_class_device_finds_the_golden_nonce(
    tmp_path: Path, name: str, size: int
) -> None:
    with emulated(tmp_path, name, "--link", str(tmp_path / "stick")) as run:
        assert ports_of(run) == [str(tmp_path / "stick")]
        with opened(str(tmp_path / "stick")) as port:
            reply = answer(port, GOLDEN_WORK, size)

        assert (reply[:4].hex(), len(reply)) == (GOLDEN_NONCE, size)
        assert run.ended() == 0
        assert f"{name}: 1 nonces sent of 1 works" in run.err
        assert not (tmp_path / "stick").is_symlink()


def test_an_icarus_class_device_has_no_chain_to_speak_of(tmp_path: Path) -> None:
    with emulated(tmp_path, "icarus", "--chips", "3") as run:
        assert run.exit_code() == 2
        assert "--chips" in run.err
