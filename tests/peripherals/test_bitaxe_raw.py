from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals import bitaxe_raw as raw
from drivers.peripherals.bitaxe_raw_replies import (
    ERROR_CODES,
    PROBE,
    PROBE_ID,
    Garbled,
    Outcome,
    ProbeReader,
    Refused,
    ReplyReader,
    ResponseFormat,
    Success,
)
from tests.peripherals.vectors import VECTORS

A, B, C = ResponseFormat
REQUESTS = {
    "GPIO 0 low (nRST asserted)": raw.gpio_write(0, high=False),
    "GPIO 0 high (nRST released)": raw.gpio_write(0, high=True),
    "GPIO 0 read": raw.gpio_read(0),
    "I2C 100 kHz": raw.set_i2c_frequency(100_000),
    "I2C 400 kHz": raw.set_i2c_frequency(400_000),
    "I2C write 4F: DE": raw.i2c_write(0x4F, b"\xde"),
    "I2C read 1 from 4C": raw.i2c_read(0x4C, 1),
    "I2C write-read 32: FE then 2": raw.i2c_write_read(0x32, b"\xfe", 2),
    "ADC VDD": raw.adc_read_vdd(),
    "LED magenta": raw.set_led(255, 0, 255),
    "EMC2101 fan 100 %": raw.i2c_write(0x4C, b"\x4c\x3f"),
    "EMC2101 product id": raw.i2c_write_read(0x4C, b"\xfd", 1),
    "TPS546 OPERATION off": raw.i2c_write(0x24, b"\x01\x00"),
    "TPS546 VOUT_COMMAND 1.150 V (VOUT_MODE 0x97)": raw.i2c_write(0x24, b"\x21\x4d\x02"),
    "TPS546 device id block read": raw.i2c_write_read(0x24, b"\xad", 7),
    "system reboot": raw.ember_reboot(),
}


def outcome_of(reader: ReplyReader, data: bytes, step: int) -> Outcome | None:
    for start in range(0, len(data), step):
        if outcome := reader.feed(data[start : start + step]):
            return outcome
    return None


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda v: v["name"])
def test_each_request_has_the_captured_bytes(vector: dict[str, Any]) -> None:
    request = REQUESTS[vector["name"]]

    assert request.frame(vector["id"]).hex() == vector["frame"]
    assert (request.page, request.command) == (vector["page"], vector["command"])
    assert request.data.hex() == vector["data"]


def test_fan_and_boot_loader_requests_follow_the_reference() -> None:
    assert raw.bonanza_set_fan(75).frame(1) == bytes.fromhex("070001000910 4b")
    assert raw.bonanza_read_tachometer().frame(2) == bytes.fromhex("060002000920")
    assert raw.ember_reboot_to_bootloader().frame(3) == bytes.fromhex("0a0003000902b00710ad")
    assert raw.adc_read_vin().frame(4) == bytes.fromhex("060004000751")


REPLIES = {  # the request that each captured reply answers, by its frame
    "01000001": raw.gpio_read(0),
    "070042065449546d2441": raw.i2c_write_read(0x24, b"\xad", 7),
    "130009ff493243205772697465204572726f72": raw.i2c_write(0x24, b"\x01\x00"),
    "04000001": raw.gpio_read(0),
    "0500420001": raw.gpio_read(0),
}


@pytest.mark.parametrize("step", [1, 2, 64])
@pytest.mark.parametrize("vector", VECTORS["responses"], ids=lambda v: v["format"] + v["frame"])
def test_each_captured_reply_is_understood(vector: dict[str, Any], step: int) -> None:
    request = REPLIES.get(vector["frame"], raw.gpio_read(0))
    request_id = vector["id"] if vector["id"] != 0xFF else 7
    reader = ReplyReader(ResponseFormat(vector["format"]), request, request_id)

    outcome = outcome_of(reader, bytes.fromhex(vector["frame"]), step)

    if vector["error"] is None:
        assert outcome == Success(payload=bytes.fromhex(vector["payload"]))
    else:
        text = vector.get("message", "")
        assert outcome == Refused(code=int(vector["error"], 16), text=text)


def test_the_probe_has_the_captured_bytes() -> None:
    assert PROBE.frame(PROBE_ID).hex() == VECTORS["format_probe"]["request"]


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("expected", ResponseFormat)
def test_the_probe_tells_the_formats_apart(expected: ResponseFormat, level: int, step: int) -> None:
    reply = bytes.fromhex(VECTORS["format_probe"]["replies"][expected])[:-1] + bytes([level])
    reader = ProbeReader()

    found = [reader.feed(reply[i : i + step]) for i in range(0, len(reply), step)]

    assert found == [None] * (len(found) - 1) + [expected]


@given(st.binary(max_size=80), st.integers(1, 80))
def test_the_probe_finds_nothing_in_other_bytes(data: bytes, step: int) -> None:
    replies = {bytes.fromhex(text)[:-1] for text in VECTORS["format_probe"]["replies"].values()}
    reader = ProbeReader()

    found = [reader.feed(data[i : i + step]) for i in range(0, len(data), step)]

    if not any(data.startswith(reply) for reply in replies):
        assert not any(isinstance(answer, ResponseFormat) for answer in found)


@pytest.mark.parametrize("vector", VECTORS["bcd_device"], ids=lambda v: v["bcd"])
def test_versions_are_read_from_bcd_device(vector: dict[str, Any]) -> None:
    firmware = raw.Firmware.of(int(vector["bcd"], 16))

    assert firmware.hardware == vector["hardware"]
    assert (firmware.minor, firmware.patch) == (vector["fw_minor"], vector["fw_patch"])


def test_a_four_byte_error_in_format_a_is_seen_when_nothing_follows() -> None:
    reader = ReplyReader(A, raw.set_i2c_frequency(100_000), 7)

    assert reader.feed(bytes.fromhex("04000710")) is None
    assert reader.expire() == Refused(code=0x10, text="")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (raw.i2c_read(0x4C, 18), "I2C Read Error"),
        (raw.i2c_write_read(0x4C, b"\x00", 23), "I2C WriteRead Error"),
    ],
)
def test_an_error_as_long_as_the_payload_in_format_a_is_seen_when_nothing_follows(
    request_: raw.Request, text: str
) -> None:
    frame = bytes([request_.payload_size or 0, 0, 7, 0xFF]) + text.encode()
    assert len(frame) == request_.payload_size
    reader = ReplyReader(A, request_, 7)

    assert reader.feed(frame) is None
    assert reader.expire() == Refused(code=0xFF, text=text)


@pytest.mark.parametrize("response_format", ResponseFormat)
def test_nothing_is_made_of_an_unfinished_reply(response_format: ResponseFormat) -> None:
    reader = ReplyReader(response_format, raw.i2c_read(0x4C, 7), 7)

    assert reader.feed(b"\x07\x00\x07\x01\x02") is None
    assert reader.expire() is None


def test_a_one_byte_reading_in_format_a_is_not_taken_from_an_error() -> None:
    reader = ReplyReader(A, raw.i2c_read(0x4C, 1), 7)

    assert reader.feed(bytes.fromhex("04000710")) == Refused(code=0x10, text="")


def test_an_error_text_in_format_b_is_no_reading() -> None:
    reader = ReplyReader(B, raw.i2c_read(0x4C, 15), 7)

    outcome = reader.feed(b"\x12\x00\x07\xffI2C Read Error")

    assert outcome == Refused(code=0xFF, text="I2C Read Error")


@pytest.mark.parametrize("response_format", ResponseFormat)
def test_the_reply_to_another_request_is_garbage(response_format: ResponseFormat) -> None:
    reader = ReplyReader(response_format, raw.gpio_read(0), 7)

    assert isinstance(reader.feed(bytes.fromhex("0400080001")), Garbled)


def test_bytes_behind_a_reply_are_counted() -> None:
    reader = ReplyReader(A, raw.gpio_read(0), 7)

    assert reader.feed(bytes.fromhex("01000701 010008")) == Success(payload=b"\x01")
    assert reader.excess == 3


def test_malformed_requests_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError, match="0 to 254"):
        raw.gpio_read(0).frame(0xFF)
    with pytest.raises(ValueError, match="1 to 60"):
        raw.i2c_read(0x4C, 61)
    with pytest.raises(ValueError, match="7 bits"):
        raw.i2c_write(0x80, b"")
    with pytest.raises(ValueError, match="257"):
        raw.i2c_write(0x4C, bytes(257))
    with pytest.raises(ValueError, match="no reply"):
        ReplyReader(A, raw.ember_reboot(), 0)
    with pytest.raises(ValueError, match="0 to 100"):
        raw.bonanza_set_fan(101)


REQUEST_SAMPLES = st.sampled_from(
    [
        raw.gpio_read(0),
        raw.gpio_write(1, high=True),
        raw.i2c_write(0x24, b"\x01\x80"),
        raw.i2c_read(0x4C, 4),
        raw.i2c_write_read(0x24, b"\x79", 2),
        raw.i2c_write_read(0x24, b"\xad", 7),
        raw.set_i2c_frequency(100_000),
        raw.adc_read_vdd(),
        raw.bonanza_set_fan(100),
    ]
)
FORMATS = st.sampled_from(ResponseFormat)
IDS = st.integers(0, 254)


def success_frame(response_format: ResponseFormat, request_id: int, payload: bytes) -> bytes:
    """Frame a payload as the firmware does, written down apart from the code under test."""
    match response_format:
        case ResponseFormat.A:
            return bytes([len(payload), 0, request_id]) + payload
        case ResponseFormat.B:
            return bytes([len(payload) + 3, 0, request_id]) + payload
        case ResponseFormat.C:
            return bytes([len(payload) + 4, 0, request_id, 0]) + payload


@given(FORMATS, REQUEST_SAMPLES, IDS, st.data(), st.integers(1, 64))
def test_success_comes_through_every_format_and_cut(
    response_format: ResponseFormat,
    request: raw.Request,
    request_id: int,
    data: st.DataObject,
    step: int,
) -> None:
    size = request.payload_size or 0
    payloads = (
        st.sampled_from(request.payloads)
        if request.payloads
        else st.binary(min_size=size, max_size=size)
    )
    payload = data.draw(payloads)
    frame = success_frame(response_format, request_id, payload)

    outcome = outcome_of(ReplyReader(response_format, request, request_id), frame, step)

    assert outcome == Success(payload=payload)


@given(FORMATS, REQUEST_SAMPLES, IDS, st.sampled_from(sorted(ERROR_CODES)), st.integers(1, 64))
def test_an_error_of_an_unparsed_request_comes_through_every_format_and_cut(
    response_format: ResponseFormat, request: raw.Request, request_id: int, code: int, step: int
) -> None:
    reader = ReplyReader(response_format, request, request_id)

    outcome = outcome_of(reader, bytes([4, 0, 0xFF, code]), step)

    assert outcome == Refused(code=code, text="")


@given(FORMATS, REQUEST_SAMPLES, IDS, st.sampled_from(["I2C Read Error", "ADC Read Error", "bad"]))
def test_an_error_with_text_comes_through_every_format(
    response_format: ResponseFormat, request: raw.Request, request_id: int, text: str
) -> None:
    frame = bytes([4 + len(text), 0, request_id, 0xFF]) + text.encode()
    reader = ReplyReader(response_format, request, request_id)

    outcome = reader.feed(frame) or reader.expire()

    if response_format is B and len(frame) == 3 + (request.payload_size or 0):
        return  # the payload of a reading may look like this; no text of the firmware does
    assert outcome == Refused(code=0xFF, text=text)


@given(FORMATS, REQUEST_SAMPLES, IDS, st.binary(max_size=200), st.lists(st.integers(1, 70)))
def test_any_bytes_in_any_cut_give_the_same_outcome(
    response_format: ResponseFormat,
    request: raw.Request,
    request_id: int,
    data: bytes,
    cuts: list[int],
) -> None:
    whole = ReplyReader(response_format, request, request_id)
    expected = whole.feed(data) if data else None
    reader, outcome, rest = ReplyReader(response_format, request, request_id), None, data
    for cut in [*cuts, *[1] * len(data)]:
        if not rest or outcome:
            break
        outcome, rest = reader.feed(rest[:cut]), rest[cut:]

    if isinstance(expected, Garbled):
        assert isinstance(outcome, Garbled)
    else:
        assert outcome == expected
    if isinstance(outcome, Success):
        assert len(outcome.payload) == request.payload_size
