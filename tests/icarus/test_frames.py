"""The codec against captured and derived bytes."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.icarus.commands import (
    cairnsmore_flash,
    cairnsmore_speed,
    crc5,
    read_register,
    set_frequency,
    set_voltage,
)
from drivers.icarus.frames import (
    AntminerForm,
    Form,
    IcarusForm,
    Kind,
    Label,
    RockminerForm,
    nonce_of,
    work_packet,
)
from drivers.icarus.golden import (
    DIVISION_BY_COUNTER,
    DIVISION_WORK,
    GOLDEN_COUNTER,
    GOLDEN_WORK,
    answer_after_golden,
    division_in,
    rockminer_golden_work,
)
from drivers.icarus.pll import Bm1380Clocks, Bm1382Clocks, CairnsmoreClocks, RockminerClocks
from tests.icarus.vectors import VECTORS, name_of, rows

FORMS: tuple[Form, ...] = (IcarusForm(), AntminerForm(), RockminerForm())


@pytest.mark.parametrize("row", rows("packets") + rows("layout_only"), ids=name_of)
def test_a_work_packet_has_the_documented_layout(row: Any) -> None:
    assert work_packet(bytes.fromhex(row["header80"]), row["job_id"]).hex() == row["packet64"]


@pytest.mark.parametrize("row", rows("packets"), ids=name_of)
def test_the_answer_of_a_real_block_completes_its_header(row: Any) -> None:
    answer = IcarusForm().decode(bytes.fromhex(row["reply_nonce_bytes"]))
    header = bytes.fromhex(row["header80"])[:76] + nonce_of(answer.counter).to_bytes(4, "little")

    digest = hashlib.sha256(hashlib.sha256(header).digest()).digest()

    assert answer.counter == row["chip_nonce_u32"]
    assert f"{nonce_of(answer.counter):08x}" == row["stratum_nonce_hex"]
    assert digest[::-1].hex() == row["block_hash"]


@pytest.mark.parametrize("row", rows("reply_parse"), ids=name_of)
def test_answers_are_read_as_recorded(row: Any) -> None:
    forms: dict[int, Form] = {4: IcarusForm(), 5: AntminerForm()}
    form = forms[row["nonce_size"]]

    answer = form.decode(bytes.fromhex(row["bytes"]))

    assert answer.counter.to_bytes(4, "big").hex() == row["nonce_bytes"]
    assert answer.tag == row["job_id"]


@pytest.mark.parametrize("row", rows("crc5"), ids=name_of)
def test_the_checksum_is_the_recorded_one(row: Any) -> None:
    assert crc5(bytes.fromhex(row["data"]), row["bits"]) == int(row["crc5"], 16)


@pytest.mark.parametrize("row", rows("u1_u2_frequency"), ids=name_of)
def test_frequencies_of_u1_and_u2_are_set_as_cgminer_does(row: Any) -> None:
    setting = Bm1380Clocks().nearest(row["requested_mhz"])

    assert (setting.mhz, setting.command.hex()) == (row["actual_mhz"], row["command"])


@pytest.mark.parametrize(
    ("mhz", "command"), [(200, "82038008"), (225, "8204001c"), (250, "82048003"), (275, "82050007")]
)
def test_the_usual_frequencies_of_a_u1(mhz: float, command: str) -> None:
    assert Bm1380Clocks().nearest(mhz).command.hex() == command


def test_a_frequency_that_a_u1_does_not_have_becomes_the_nearest() -> None:
    setting = Bm1380Clocks().nearest(203)

    assert setting.mhz == pytest.approx(25 * 57 / 7)


@pytest.mark.parametrize("row", rows("u3_frequency"), ids=name_of)
def test_frequencies_of_the_u3_are_set_by_its_table(row: Any) -> None:
    setting = Bm1382Clocks().nearest(row["mhz"])

    assert (setting.mhz, setting.command.hex()) == (row["decoded_mhz"], row["command"])
    assert set_frequency(int(row["reg"], 16)).hex() == row["command"]


@pytest.mark.parametrize("row", rows("bm1384_frequency"), ids=name_of)
def test_the_frequency_command_is_that_of_related_chips(row: Any) -> None:
    assert set_frequency(int(row["reg"], 16)).hex() == row["command"]


@pytest.mark.parametrize(("mhz", "reached"), [(99, 100), (124, 100), (249, 243.75), (900, 250)])
def test_a_u3_never_runs_faster_than_asked_but_for_its_lowest(mhz: float, reached: float) -> None:
    assert Bm1382Clocks().nearest(mhz).mhz == reached


@pytest.mark.parametrize("row", rows("u3_voltage"), ids=name_of)
def test_the_voltage_of_a_u3_is_three_digits(row: Any) -> None:
    assert set_voltage(row["millivolt"] / 1000).hex() == row["command"]


def test_more_digits_of_voltage_than_there_are_is_an_error_of_ours() -> None:
    assert set_voltage(0.775).hex() == "aab775de"
    with pytest.raises(ValueError, match="three digits"):
        set_voltage(1.2)


def test_the_register_read_is_as_recorded() -> None:
    assert read_register(4).hex() == VECTORS["read_register"]["command"]


def test_orders_to_a_cairnsmore_carry_their_check() -> None:
    # kanoi/cgminer driver-icarus.c: check = data ^ command ^ b7 ^ 6d, in bytes 32 to 35
    assert cairnsmore_speed(180).hex() == "00" * 32 + "924800b7" + "00" * 28
    assert cairnsmore_flash(on=True).hex() == "00" * 32 + "da0101b7" + "00" * 28
    assert CairnsmoreClocks().nearest(181).mhz == 180
    assert CairnsmoreClocks().nearest(181).command == cairnsmore_speed(180)


def test_the_golden_work_is_as_recorded() -> None:
    golden = VECTORS["golden"]

    assert golden["packet64"] == GOLDEN_WORK.hex()
    assert golden["reply"] == f"{GOLDEN_COUNTER:08x}"
    assert answer_after_golden(bytes.fromhex("00aa000187a21f")) == bytes.fromhex("000187a21f")
    assert answer_after_golden(b"\x00\x01\x87") is None


def test_the_golden_work_of_a_rockminer_is_reversed_and_labelled() -> None:
    # kanoi/cgminer driver-icarus.c: golden_ob with aa1ff055, midstate and work reversed by bytes
    packet = rockminer_golden_work(0xF0, 0x1F)

    assert packet[:32].hex() == GOLDEN_WORK[:32][::-1].hex()
    assert packet[32:52].hex() == "00" * 16 + "aa1ff055"
    assert packet[52:].hex() == GOLDEN_WORK[52:][::-1].hex()


def test_the_division_probe_is_as_recorded() -> None:
    probe = VECTORS["work_division_probe"]

    assert probe["packet64"] == DIVISION_WORK.hex()
    for division, row in probe["replies"].items():
        assert DIVISION_BY_COUNTER[int(row["reply"], 16)] == int(division)
        assert division_in(bytes.fromhex(row["reply"])) == int(division)
    assert division_in(b"\x00\x01\x02\x03") is None


def test_a_rockminers_packet_has_the_words_of_an_icarus_reversed() -> None:
    header = bytes.fromhex(rows("packets")[2]["header80"])
    plain = bytes.fromhex(rows("packets")[2]["packet64"])

    packet = RockminerForm().encode(header, Label(lane=3, tag=1, mhz=270))

    assert packet[:32] == plain[:32][::-1]
    assert packet[32:52].hex() == "00" * 16 + "aa1a0355"
    assert packet[52:] == plain[52:][::-1]
    assert RockminerClocks().nearest(279).mhz == 270


def test_a_rockminer_says_chip_task_and_temperature() -> None:
    nonce = RockminerForm().decode(bytes.fromhex("000187a200020134"))
    wanted = RockminerForm().decode(bytes.fromhex("0000000012030080"))

    assert (nonce.kind, nonce.counter, nonce.lane, nonce.tag) == (Kind.NONCE, 0x187A2, 2, 1)
    assert nonce.temperature == 52
    assert (wanted.kind, wanted.lane, wanted.tag) == (Kind.TASK_WANTED, 3, 0)
    assert wanted.temperature is None


@given(header=st.binary(min_size=76, max_size=80), tag=st.integers(0, 30))
def test_bytes_that_would_be_commands_elsewhere_stay_zero(header: bytes, tag: int) -> None:
    packet = AntminerForm().encode(header, Label(tag=tag))

    assert len(packet) == 64
    assert packet[32:51] == bytes(19)
    assert packet[51] == tag
    assert IcarusForm().encode(header, Label(tag=tag))[51] == 0


@given(data=st.binary(max_size=20))
def test_any_bytes_are_an_answer_or_a_value_error(data: bytes) -> None:
    for form in FORMS:
        try:
            answer = form.decode(data)
        except ValueError:
            continue
        assert len(data) == form.answer_size
        assert answer.counter == int.from_bytes(data[:4], "big")


@given(counter=st.integers(0, 2**32 - 1))
def test_a_counter_is_the_nonce_read_the_other_way(counter: int) -> None:
    assert nonce_of(nonce_of(counter)) == counter
    assert nonce_of(counter).to_bytes(4, "little") == counter.to_bytes(4, "big")
