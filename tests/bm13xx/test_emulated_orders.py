"""The emulated chips' ear: captured host frames come out as what they are described to mean."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.bm1384 import bm1384_open_core_job
from drivers.bm13xx.emulated_jobs import EmulatedJob
from drivers.bm13xx.emulated_models import MODELS, Form
from drivers.bm13xx.emulated_orders import Inactive, Order, OrderReader, Read, SetAddress, Write
from drivers.header import midstate
from tests.bm13xx import plain_host as host
from tests.vectors.load import named, vectors

Vector = dict[str, Any]
COMMANDS = vectors("bm13xx", "commands")
LEGACY = vectors("bm13xx", "legacy_commands")
JOBS = vectors("bm13xx", "jobs")
SOLUTIONS = vectors("bm13xx", "solutions")
FRAMED = [Form.FULL_HEADER, Form.MIDSTATES]


def read_by(form: Form, data: bytes, step: int = 1000) -> list[Order]:
    reader = OrderReader(form)
    return [
        order for at in range(0, len(data), step) for order in reader.feed(data[at : at + step])
    ]


def described(decoded: dict[str, object]) -> Order:
    address = int(str(decoded["chip_address"]))
    register = int(str(decoded.get("register", "0")), 16)
    to = None if decoded["all"] else address
    match decoded["command"]:
        case "set_chip_address":
            return SetAddress(address)
        case "chain_inactive":
            return Inactive()
        case "read_register":
            return Read(to, register)
        case _:
            return Write(to, register, int(str(decoded["value"]), 16))


@pytest.mark.parametrize("form", FRAMED)
@pytest.mark.parametrize("vector", COMMANDS, ids=named)
def test_a_captured_command_means_what_is_written_of_it(vector: Vector, form: Form) -> None:
    assert read_by(form, bytes.fromhex(vector["hex"])) == [described(vector["decoded"])]


def test_commands_of_the_bm1387_and_bm1384_are_understood() -> None:
    expected = {
        "bm1387-leg-00": Read(None, 0),
        "bm1387-leg-01": Inactive(),
        "bm1387-leg-02": SetAddress(0),
        "bm1387-leg-03": SetAddress(0x80),
        "bm1387-leg-04": Write(None, 0x1C, 0x00200700),
        "bm1387-leg-05": Write(None, 0x1C, 0x40209980),
        "bm1387-leg-06": Write(None, 0x0C, 0x00500241),
        "bm1387-leg-07": Read(0, 0x0C),
        "bm1384-leg-08": Read(None, 0),
        "bm1384-leg-09": Inactive(),
        "bm1384-leg-10": SetAddress(0),
        "bm1384-leg-11": SetAddress(0x80),
        "bm1384-leg-12": Write(None, 4, 0x0B83),
        "bm1384-leg-13": Read(None, 4),
        "bm1384-leg-14": Read(0, 4),
    }

    for vector in LEGACY:
        if vector["id"] in expected:
            form = MODELS[vector["chip"].lower()].form
            assert read_by(form, bytes.fromhex(vector["hex"])) == [expected[vector["id"]]]


@pytest.mark.parametrize("vector", [v for v in JOBS if "decoded" in v], ids=named)
def test_a_captured_job_gives_its_header(vector: Vector) -> None:
    decoded = vector["decoded"]

    [job] = read_by(Form.FULL_HEADER, bytes.fromhex(vector["hex"]))

    assert isinstance(job, EmulatedJob)
    merkle_root = bytes.fromhex(decoded["merkle_root_header_order"])
    assert job.job_byte == int(decoded["job_byte"], 16)
    assert job.version == int(decoded["version"], 16)
    assert job.head[4:36] == bytes.fromhex(decoded["prev_hash_header_order"])
    assert job.head[36:] + job.tail[:4] == merkle_root
    assert int.from_bytes(job.tail[4:8], "little") == int(decoded["ntime"], 16)
    assert int.from_bytes(job.tail[8:], "little") == int(decoded["nbits"], 16)


@pytest.mark.parametrize("vector", [v for v in SOLUTIONS if "job_frame" in v], ids=named)
def test_a_captured_job_holds_what_its_solution_was_hashed_from(vector: Vector) -> None:
    [job] = read_by(MODELS[vector["chip"].lower()].form, bytes.fromhex(vector["job_frame"]))

    assert isinstance(job, EmulatedJob)
    if "header80" in vector:
        header = bytes.fromhex(vector["header80"])
        rolled = int.from_bytes(header[:4], "little")
        assert job.head[4:] == header[4:64]
        assert job.version | rolled == rolled
    else:
        header = bytes(64) + bytes.fromhex(vector["header_tail16"])
        index = vector.get("midstate_index", 0)
        assert job.midstates[index].hex() == vector["midstate_sha_state_be"]
        assert len(job.midstates) == vector.get("num_midstates", 1)
    assert job.tail == header[64:76]


@pytest.mark.parametrize("length", [0x56, 0x36, 0xFF, 0x00])
def test_a_full_header_job_is_88_bytes_whatever_its_length_byte_says(length: int) -> None:
    body = bytearray(host.full_job(0x18)[2:-2])
    body[1] = length
    crc = host.crc16(bytes(body))

    orders = read_by(Form.FULL_HEADER, b"\x55\xaa" + bytes(body) + crc + host.read(0))

    assert [type(order) for order in orders] == [EmulatedJob, Read]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_midstate_job_may_hold_one_to_four(count: int) -> None:
    versions = [0x20000000 + 0x2000 * k for k in range(count)]

    [job] = read_by(Form.MIDSTATES, host.midstate_job(0x10, versions))

    assert isinstance(job, EmulatedJob)
    assert list(job.midstates) == [midstate(host.head(version)) for version in versions]


def test_a_job_with_room_to_spare_says_how_many_midstates_count() -> None:
    frame = bytearray(host.midstate_job(0x10, [0x20000000] * 4))
    frame[5] = 1
    frame[-2:] = host.crc16(bytes(frame[2:-2]))

    [job] = read_by(Form.MIDSTATES, bytes(frame))

    assert isinstance(job, EmulatedJob)
    assert len(job.midstates) == 1


@pytest.mark.parametrize("step", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("form", FRAMED)
def test_the_cut_of_the_stream_does_not_matter(form: Form, step: int) -> None:
    job = host.full_job(8) if form is Form.FULL_HEADER else host.midstate_job(8, [1, 2])
    stream = b"\x55" + host.INACTIVE + b"\xaa\x55\xaa\x21" + host.set_address(4) * 2 + job
    stream += b"\x55\x55" + job + host.write(8, 0x40A80230, 4) + job + host.read(0)

    whole = read_by(form, stream + bytes(160))

    assert read_by(form, stream + bytes(160), step) == whole
    assert [type(order).__name__ for order in whole][-3:] == ["Write", "EmulatedJob", "Read"]


@pytest.mark.parametrize("bit", range(0, 7 * 8, 5))
def test_a_command_with_a_wrong_bit_is_ignored(bit: int) -> None:
    frame = bytearray(host.read(0))
    frame[bit // 8] ^= 1 << bit % 8

    assert read_by(Form.FULL_HEADER, bytes(frame) + host.INACTIVE) == [Inactive()]


@pytest.mark.parametrize("form", FRAMED)
@pytest.mark.parametrize("place", [4, 20, 49])
def test_a_job_with_a_wrong_byte_is_ignored_and_counted(form: Form, place: int) -> None:
    job = host.full_job(8) if form is Form.FULL_HEADER else host.midstate_job(8, [1, 2])
    damaged = bytearray(job)
    damaged[place] ^= 0x10
    reader = OrderReader(form)

    orders = reader.feed(bytes(damaged) + host.INACTIVE)

    assert orders == [Inactive()]
    assert reader.refused > 0


@pytest.mark.parametrize("step", [1, 5, 64, 1000])
def test_a_bm1384_tells_jobs_from_commands_and_finds_its_place_again(step: int) -> None:
    job = host.bm1384_job(0x12, 0, 0xFFFFFFFF)
    commands = host.bm1384_command(0x85) + host.bm1384_command(0x01, 0x80)
    stream = commands + job + commands + b"\xff\x01" + job + job

    orders = read_by(Form.BM1384, stream, step)

    kinds = [type(order).__name__ for order in orders]
    assert kinds[:5] == ["Inactive", "SetAddress", "EmulatedJob", "Inactive", "SetAddress"]
    assert kinds[5:].count("EmulatedJob") == 2


@pytest.mark.parametrize("step", [4, 8, 68, 72, 1000])
@pytest.mark.parametrize("addresses", [1, 2, 4])
def test_commands_right_before_the_jobs_that_open_a_bm1384s_cores_are_not_lost(
    addresses: int, step: int
) -> None:
    given_out = [256 // addresses * chip for chip in range(addresses)]
    stream = host.bm1384_command(0x85)
    stream += b"".join(host.bm1384_command(0x01, address) for address in given_out)
    stream += b"".join(bm1384_open_core_job(slot) for slot in (0x10, 0x11, 0x12))

    orders = read_by(Form.BM1384, stream, step)

    assert orders[: addresses + 1] == [Inactive(), *map(SetAddress, given_out)]
    jobs = [order for order in orders if isinstance(order, EmulatedJob)]
    assert [job.job_byte for job in jobs] == [0x10, 0x11, 0x12]
    assert len(orders) == addresses + 4


def test_a_pause_ends_a_frame_that_was_begun() -> None:
    reader = OrderReader(Form.BM1384)

    reader.feed(b"\xff")
    assert reader.forget()

    assert reader.feed(host.bm1384_command(0x84)) == [Read(None, 0)]


@pytest.mark.parametrize("form", list(Form))
@settings(deadline=None)
@given(chunks=st.lists(st.binary(max_size=80), max_size=8))
def test_any_bytes_are_harmless(form: Form, chunks: list[bytes]) -> None:
    reader = OrderReader(form)

    for chunk in chunks:
        reader.feed(chunk)

    reader.forget()
    frame = {
        Form.BM1387: host.bare_command(0x54, bytes(2)),
        Form.BM1384: host.bm1384_command(0x84),
    }.get(form, host.read(0))
    assert reader.feed(frame) == [Read(None, 0)]
