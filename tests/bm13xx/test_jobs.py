from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import Work
from drivers.bm13xx.bm1384 import Bm1384Fields, Bm1384Job, bm1384_open_core_job
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.frames import NonceFound, ResponseReader
from drivers.bm13xx.jobs import (
    FullHeader,
    FullHeaderJob,
    JobRequest,
    MidstateJob,
    Midstates,
    bare_open_core_job,
    rolled_versions,
)
from drivers.hashing import kernels
from drivers.header import DIFFICULTY_1, hash_value
from tests.bm13xx.vectors import name_of, rows

FULL_HEADER_ROWS = [row for row in rows("jobs") if "decoded" in row]
MIDSTATE_ROWS = [row for row in rows("jobs") if "decoded" not in row]
WHOLE_SOLUTIONS = [row for row in rows("solutions") if "job" in row]
HALF_SOLUTIONS = [row for row in rows("solutions") if "header_tail16" in row]
WORK = Work(
    version=0x20000000,
    version_mask=0x1FFFE000,
    prev_hash=bytes(range(32)),
    merkle_root=bytes(range(100, 132)),
    ntime=0x66B299D2,
    nbits=0x17031ABE,
    target=DIFFICULTY_1,
)
MIDSTATE_FORMATS = [MidstateJob(preamble=b"\x55\xaa"), MidstateJob(preamble=b"")]
CODECS: list[FullHeaderJob | MidstateJob | Bm1384Job]
CODECS = [FullHeaderJob(), *MIDSTATE_FORMATS, Bm1384Job()]


def test_all_captured_jobs_are_looked_at() -> None:
    assert (len(FULL_HEADER_ROWS), len(MIDSTATE_ROWS)) == (4, 3)
    assert (len(WHOLE_SOLUTIONS), len(HALF_SOLUTIONS)) == (9, 4)


@pytest.mark.parametrize("row", FULL_HEADER_ROWS + WHOLE_SOLUTIONS, ids=name_of)
def test_captured_full_header_job_reads_back_and_is_built_again(row: Any) -> None:
    frame = bytes.fromhex(row.get("hex") or row["job_frame"])
    told = row.get("decoded") or row["job"]
    expected = FullHeader(
        slot=int(told["job_byte"], 16),
        version=int(told["version"], 16),
        prev_hash=bytes.fromhex(told["prev_hash_header_order"]),
        merkle_root=bytes.fromhex(told["merkle_root_header_order"]),
        ntime=int(told["ntime"], 16),
        nbits=int(told["nbits"], 16),
    )
    codec = FullHeaderJob(length=frame[3])

    assert codec.decode(frame) == expected
    assert codec.encode_header(expected) == frame


@pytest.mark.parametrize("row", WHOLE_SOLUTIONS, ids=name_of)
def test_captured_nonce_solves_its_captured_job(row: Any) -> None:
    spec = CHIPS[row["chip"].lower()]
    job = FullHeaderJob().decode(bytes.fromhex(row["job_frame"]))
    reader = ResponseReader(spec.responses, rolling=True)

    [found] = reader.feed(bytes.fromhex(row["response_frame"]))

    assert isinstance(found, NonceFound)
    assert found.slot == job.slot
    header = job.header(found.nonce, found.version_bits)
    assert header.hex() == row["header80"]
    assert f"{hash_value(header):064x}" == row["hash_display"]


@pytest.mark.parametrize("row", MIDSTATE_ROWS, ids=name_of)
def test_captured_midstate_job_is_built_again(row: Any) -> None:
    frame = bytes.fromhex(row["hex"])
    codec = MidstateJob(preamble=b"\x55\xaa")

    job = codec.decode(frame)

    assert codec.encode_midstates(job) == frame
    assert (len(job.midstates), job.slot) == (frame[5], frame[4])


# ESP-Miner test_mining.c and verifiers/bm1397.py: the same header as numbers and as a job.
def test_midstate_job_of_a_known_header_holds_its_known_midstate() -> None:
    [known] = rows("midstates")
    [captured] = rows("jobs", "BM1397")[:1]
    merkle_root = bytes.fromhex(known["merkle_root"])
    work = Work(
        version=int(known["version"], 16),
        version_mask=0,
        prev_hash=bytes.fromhex(known["prev_hash_header_order"]),
        merkle_root=merkle_root,
        ntime=0x64658BD8,
        nbits=0x1705DD01,
        target=DIFFICULTY_1,
    )
    codec = MidstateJob(preamble=b"\x55\xaa")

    frame = codec.encode(JobRequest(work=work, slot=4, versions=codec.versions(work)))

    assert codec.versions(work) == (work.version,)
    assert frame[22:54].hex() == known["midstate_wire"]
    assert codec.decode(frame).midstates[0].hex() == known["midstate_sha_state_be"]
    assert frame[6:54].hex() == captured["hex"][12:108]


@pytest.mark.parametrize("row", HALF_SOLUTIONS, ids=name_of)
def test_captured_nonce_solves_the_midstate_of_its_job(row: Any) -> None:
    spec = CHIPS[row["chip"].lower()]
    frame = bytes.fromhex(row["job_frame"])
    [found] = ResponseReader(spec.responses).feed(bytes.fromhex(row["response_frame"]))
    assert isinstance(found, NonceFound)
    if row["chip"] == "BM1384":
        fields = Bm1384Job().decode(frame)
        job = Midstates(
            slot=fields.slot,
            midstates=(fields.midstate,),
            merkle_tail=fields.merkle_tail,
            ntime=fields.ntime,
            nbits=fields.nbits,
        )
        assert Bm1384Job().encode_fields(fields) == frame
    else:
        codec = next(f for f in MIDSTATE_FORMATS if frame.startswith(f.preamble))
        job = codec.decode(frame)
        assert codec.encode_midstates(job) == frame

    state = job.midstates[found.midstate]
    tail = job.merkle_tail + job.ntime.to_bytes(4, "little") + job.nbits.to_bytes(4, "little")

    assert found.slot == job.slot
    assert found.midstate == row.get("midstate_index", 0)
    assert state.hex() == row["midstate_sha_state_be"]
    assert (tail + found.nonce.to_bytes(4, "little")).hex() == row["header_tail16"]
    assert exact_hash(state, tail, found.nonce, int(row["hash_display"], 16))


def exact_hash(state: bytes, tail: bytes, nonce: int, value: int) -> bool:
    """Return whether the header's second half hashes to ``value``: by a search of one nonce."""
    search = kernels.best(1).search_midstates
    reached = search([state], tail, value, nonce, 1, bytearray(1)).hits
    missed = search([state], tail, value - 1, nonce, 1, bytearray(1)).hits
    return len(reached) == 1 and not missed


def test_open_core_jobs_are_the_known_bytes() -> None:
    known = next(row for row in HALF_SOLUTIONS if row["id"] == "bm1387-opencore-7203ea83")

    assert bare_open_core_job(0x10).hex() == known["job_frame"]
    assert bm1384_open_core_job(0x1E) == bytes(51) + b"\x1e" + bytes(12)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (0x1FFFE000, (0x20000000, 0x20002000, 0x20004000, 0x20006000)),
        (0x00C00000, (0x20000000, 0x20400000, 0x20800000, 0x20C00000)),
        (0x00102000, (0x20000000, 0x20002000, 0x20100000, 0x20102000)),
        (0x00002000, (0x20000000,)),
        (0, (0x20000000,)),
    ],
)
def test_four_midstates_need_two_bits_of_the_mask(mask: int, expected: tuple[int, ...]) -> None:
    work = replace(WORK, version_mask=mask)

    assert rolled_versions(work, 4) == expected


@pytest.mark.parametrize("codec", MIDSTATE_FORMATS)
def test_each_midstate_is_that_of_its_version(codec: MidstateJob) -> None:
    versions = codec.versions(WORK)

    frame = codec.encode(JobRequest(work=WORK, slot=0x7C, versions=versions))
    job = codec.decode(frame)

    assert len(frame) == len(codec.preamble) + 54 + 3 * 32
    assert (job.slot, len(job.midstates)) == (0x7C, 4)
    tail = job.merkle_tail + job.ntime.to_bytes(4, "little") + job.nbits.to_bytes(4, "little")
    for version, state in zip(versions, job.midstates, strict=True):
        header = version.to_bytes(4, "little") + WORK.header(nonce=77)[4:]
        assert exact_hash(state, tail, 77, hash_value(header))


def test_a_faster_midstate_may_be_plugged_in() -> None:
    asked: list[bytes] = []

    def remembering(first_64: bytes) -> bytes:
        asked.append(first_64)
        return bytes([len(asked)]) * 32

    codec = MidstateJob(preamble=b"")
    request = JobRequest(work=WORK, slot=0, versions=codec.versions(WORK), midstate_of=remembering)

    assert [state[0] for state in codec.decode(codec.encode(request)).midstates] == [1, 2, 3, 4]
    assert asked[0] == WORK.header()[:64]


def test_bm1384_job_carries_ticket_and_the_share_of_nonces() -> None:
    request = JobRequest(
        work=WORK, slot=0x11, versions=(WORK.version,), ticket_difficulty=64, chips=2
    )

    fields = Bm1384Job().decode(Bm1384Job().encode(request))

    assert (fields.slot, fields.ticket, fields.nonces) == (0x11, 63, 0x7FFFFFFF)
    assert (fields.ntime, fields.nbits) == (WORK.ntime, WORK.nbits)
    assert fields.merkle_tail == WORK.merkle_root[-4:]


def test_a_flipped_bit_of_a_job_is_noticed() -> None:
    captured = bytes.fromhex(FULL_HEADER_ROWS[0]["hex"])
    for codec, frame in ((CODECS[0], captured), (MIDSTATE_FORMATS[1], bare_open_core_job(0x10))):
        for bit in range(8 * len(frame)):
            broken = bytearray(frame)
            broken[bit // 8] ^= 1 << bit % 8
            with pytest.raises(ValueError, match=r"CRC|not a job"):
                codec.decode(bytes(broken))


@settings(deadline=None)
@given(data=st.binary(max_size=160))
def test_any_bytes_are_a_job_or_a_value_error(data: bytes) -> None:
    for frame in (data, b"\x55\xaa" + data, b"\x21" + data):
        for codec in CODECS:
            try:
                job = codec.decode(frame)
            except ValueError:
                continue
            assert isinstance(job, Bm1384Fields | FullHeader | Midstates)
