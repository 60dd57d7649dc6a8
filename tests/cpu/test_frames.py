import pytest
from hypothesis import given
from hypothesis import strategies as st

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

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)


@st.composite
def assignments(draw: st.DrawFn) -> Assignment:
    mask = draw(u32)
    return Assignment(
        sequence=draw(u64),
        prefix=draw(st.binary(min_size=76, max_size=76)),
        version_mask=mask,
        target=draw(st.integers(0, 2**256 - 1)),
        first_version=draw(st.integers(0, 2 ** mask.bit_count() - 1)),
        first_nonce=draw(u32),
        nonces=draw(st.integers(1, 2**32)),
    )


names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
frames: st.SearchStrategy[Frame] = st.one_of(
    assignments(),
    st.just(Stop()),
    st.builds(Limits, duty=st.integers(1, 100), solutions=st.integers(1, 2**16 - 1)),
    st.builds(Ready, kernel=names),
    st.builds(Found, sequence=u64, nonce=u32, version=u32),
    st.builds(Progress, sequence=u64, hashes=u64, held_back=st.booleans()),
    st.builds(Exhausted, sequence=u64),
)


def read(pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """Return the frames read up to the first error, and whether there was one."""
    reader = FrameReader()
    found: list[Frame] = []
    try:
        for piece in pieces:
            found += [*reader.receive_data(piece)]
    except FrameError:
        return found, True
    return found, False


def read_one_by_one(data: bytes) -> tuple[list[Frame], bool]:
    return read([bytes([byte]) for byte in data])


def read_at_once(data: bytes) -> tuple[list[Frame], bool]:
    found: list[Frame] = []
    try:
        for frame in FrameReader().receive_data(data):
            found.append(frame)  # noqa: PERF402 - those before an error count as well
    except FrameError:
        return found, True
    return found, False


def test_an_assignment_has_the_documented_layout() -> None:
    frame = Assignment(
        sequence=0x0102030405060708,
        prefix=bytes(range(76)),
        version_mask=0x1FFFE000,
        target=0xFF << 8,
        first_version=0x0A0B,
        first_nonce=0x1DAC2B7C,
        nonces=1 << 32,
    )

    assert encode(frame) == bytes.fromhex(
        "89 41 0807060504030201"
        + bytes(range(76)).hex()
        + "00e0ff1f 00ff"
        + "00" * 30
        + "0b0a0000 7c2bac1d 0000000001000000"
    )


def test_the_short_frames_have_the_documented_layout() -> None:
    assert encode(Stop()) == bytes.fromhex("01 53")
    assert encode(Limits(duty=70, solutions=200)) == bytes.fromhex("04 4c 46 c800")
    assert encode(Ready(kernel="sha-ni")) == b"\x07Rsha-ni"
    found = Found(sequence=2, nonce=0x7552034C, version=0x20B44000)
    assert encode(found) == bytes.fromhex("11 46 0200000000000000 4c035275 0040b420")
    progress = Progress(sequence=2, hashes=1 << 20, held_back=True)
    assert encode(progress) == bytes.fromhex("12 50 0200000000000000 0000100000000000 01")
    assert encode(Exhausted(sequence=2)) == bytes.fromhex("09 45 0200000000000000")


@given(st.lists(frames))
def test_frames_survive_the_way_through_the_pipe_however_it_is_cut(sent: list[Frame]) -> None:
    data = b"".join(map(encode, sent))

    assert read_at_once(data) == (sent, False)
    assert read_one_by_one(data) == (sent, False)


@given(st.binary(max_size=600))
def test_any_bytes_give_frames_or_the_documented_error(data: bytes) -> None:
    assert read_at_once(data) == read_one_by_one(data)


@given(st.lists(frames, min_size=1, max_size=3), st.data())
def test_a_damaged_stream_is_read_alike_however_it_is_cut(
    sent: list[Frame], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(map(encode, sent)))
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))

    assert read_at_once(bytes(stream)) == read_one_by_one(bytes(stream))


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x00",
        b"\x01?",
        b"\x02S?",
        b"\x01R",
        b"\x02R\x7f",
        b"\x02R\xff",
        b"\x42R" + b"a" * 65,
        bytes.fromhex("04 4c 00 c800"),
        bytes.fromhex("04 4c 65 c800"),
        bytes.fromhex("04 4c 46 0000"),
        b"\x08E1234567",
        encode(Assignment(sequence=1, prefix=bytes(76), version_mask=0, target=0, nonces=1 << 33)),
        encode(Assignment(sequence=1, prefix=bytes(76), version_mask=3, target=0, first_version=4)),
    ],
)
def test_a_frame_that_makes_no_sense_is_an_error(damaged: bytes) -> None:
    assert read_one_by_one(encode(Stop()) + damaged) == ([Stop()], True)
