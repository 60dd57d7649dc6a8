from itertools import takewhile
from random import Random

import pytest

from drivers.bm13xx.bm1384 import bm1384_open_core_job
from drivers.bm13xx.bring_up import Action, AwaitSilence, Send, SwitchBaud
from drivers.bm13xx.chain import Chain
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_models import MODELS
from drivers.bm13xx.frames import COMMANDS, SetAddress, WriteRegister
from drivers.bm13xx.jobs import bare_open_core_job
from drivers.bm13xx.pll import SearchedPll
from drivers.errors import BringUpError, ChipCountError
from tests.bm13xx import wire
from tests.bm13xx.chains import lines, performed, ready, sent, work
from tests.bm13xx.vectors import VECTORS, rows

START_UPS = {
    "bm1362": ("bm1362_s19jpro_order_1chip_525mhz", 525.0),
    "bm1366": ("bm1366_espminer_1chip_485mhz", 485.0),
    "bm1368": ("bm1368_espminer_1chip_490mhz", 490.0),
    "bm1370": ("bm1370_espminer_1chip_525mhz", 525.0),
    "bm1397": ("bm1397_espminer_1chip_425mhz", 425.0),
}
WITH_PREAMBLE = list(START_UPS)
EVERY = list(CHIPS)


def known_lines(name: str) -> list[str]:
    """Return a start-up of the vectors, its remarks reduced to what must be done."""
    remarks = {"<chip id": "<count>", "<host to": "<baud>", "<60 ms, ": "<baud>"}
    known = [remarks.get(line[:8], line) for line in VECTORS["sequences"][name]]
    return [line for line in known if line[0] != "<" or line in remarks.values()]


def without_pll(bring_up: list[str]) -> list[str]:
    """Return the lines without the PLL's, which are tested step by step elsewhere."""
    return [line for line in bring_up if line[:12] not in {"55aa51090008", "55aa51090070"}]


def written(data: list[bytes], register: int) -> list[WriteRegister]:
    """Return the writes to one register, in order."""
    frames = [
        bytes.fromhex("55aa" + rest) for block in data for rest in block.hex().split("55aa")[1:]
    ]
    commands = [COMMANDS.decode(frame) for frame in frames if frame[2] != 0x21]
    return [c for c in commands if isinstance(c, WriteRegister) and c.register == register]


@pytest.mark.parametrize("name", WITH_PREAMBLE)
def test_bring_up_of_one_chip_is_the_known_sequence(name: str) -> None:
    known, mhz = START_UPS[name]
    chain = Chain(CHIPS[name], chips=1)

    first, *actions = performed(chain, chain.bring_up(mhz), answering=1)

    assert first == SwitchBaud(115_200)
    expected = without_pll(known_lines(known))
    if name == "bm1362":  # the known one has the hash count of 126 chips
        place = expected.index("55aa510900100000138108")
        expected[place] = COMMANDS.encode(WriteRegister(register=0x10, value=639132)).hex()
    assert without_pll(lines(actions)) == expected


@pytest.mark.parametrize("name", WITH_PREAMBLE)
def test_pll_steps_of_a_bring_up_are_those_of_the_known_sequence(name: str) -> None:
    known, mhz = START_UPS[name]
    spec = CHIPS[name]
    assert isinstance(spec.pll, SearchedPll)
    chain = Chain(spec, chips=1)
    expected = written([bytes.fromhex(line) for line in known_lines(known) if line[0] != "<"], 0x08)

    steps = written(sent(performed(chain, chain.bring_up(mhz), answering=1)), 0x08)

    assert [spec.pll.mhz_of(w.value) for w in steps] == [spec.pll.mhz_of(w.value) for w in expected]
    if name in {"bm1362", "bm1370"}:
        assert steps == expected
    assert chain.mhz == mhz


def test_two_bm1387_are_brought_up_as_kanoi_does() -> None:
    chain = Chain(CHIPS["bm1387"], chips=2)

    actions = list(performed(chain, chain.bring_up(100.0), answering=2))

    jobs = [bare_open_core_job(slot).hex() for slot in range(0x10, 0x80, 4)]
    assert [frame.hex() for frame in sent(actions)] == [
        "5405000019",
        *["5505000010"] * 3,
        "4105000015",
        "4105800019",
        "5809001c002001001b",
        "5809001c4020818009",
        *(jobs * 5)[:115],
        "5809000c0020024109",
    ]
    assert [a.rate for a in actions if isinstance(a, SwitchBaud)] == [115_200, 1_500_000]


def test_a_bm1387_may_stay_at_the_rate_after_a_reset() -> None:
    chain = Chain(CHIPS["bm1387"], chips=2, baud_rate=115_200)

    actions = list(performed(chain, chain.bring_up(100.0), answering=2))

    assert bytes.fromhex("5809001c40209a80") in [frame[:-1] for frame in sent(actions)]
    assert [a.rate for a in actions if isinstance(a, SwitchBaud)] == [115_200]


def test_two_bm1384_are_brought_up_as_kanoi_does() -> None:
    chain = Chain(CHIPS["bm1384"], chips=2)

    frames = sent(performed(chain, chain.bring_up(150.0), answering=2))

    assert [frame.hex() for frame in frames[:4]] == ["84000011", "8500000f", "01000019", "01800016"]
    assert frames[4:60] == [bm1384_open_core_job(0x10 + number % 16) for number in range(56)]
    assert frames[60].hex()[:6] == "820783"  # 100 MHz
    assert frames[-1].hex() == "820b8319"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("chips", [1, 2, 3, 4, 6, 12, 65, 126])
def test_every_chip_gets_an_address_of_its_own(name: str, chips: int) -> None:
    spec = CHIPS[name]
    chain = Chain(spec, chips=chips)

    frames = sent(performed(chain, chain.bring_up(spec.frequency.lowest), answering=chips))
    commands = [spec.commands.decode(frame) for frame in frames if len(frame) in {4, 5, 7}]
    addresses = [command.address for command in commands if isinstance(command, SetAddress)]

    assert len(set(addresses)) == chips
    assert addresses == sorted(addresses)
    assert addresses[0] == 0
    assert addresses[-1] < 256
    assert [chain.chip_at(address) for address in addresses] == list(range(chips))
    if name in WITH_PREAMBLE:
        assert not any(address % 2 for address in addresses)


def test_each_chip_is_set_up_by_its_address() -> None:
    chain = Chain(CHIPS["bm1366"], chips=3)

    frames = sent(performed(chain, chain.bring_up(485.0), answering=3))

    assert [(w.address, w.value) for w in written(frames, 0xA8)] == [
        (None, 0x00070000),
        *((address, 0x000701F0) for address in (0, 84, 168)),
    ]
    assert [w.address for w in written(frames, 0x2C)] == [0]
    assert [w.address for w in written(frames, 0x3C) if w.value == 0x800082AA] == [0, 84, 168]


@pytest.mark.parametrize(
    ("name", "chips", "mhz", "value"),
    [
        ("bm1366", 1, 485.0, 0x000D3224),
        ("bm1368", 1, 490.0, 0x000D0FAC),
        ("bm1370", 1, 525.0, 0x000C2FB7),
        ("bm1362", 126, 525.0, 0x1381),
    ],
)
def test_hash_count_is_the_known_value(name: str, chips: int, mhz: float, value: int) -> None:
    chain = Chain(CHIPS[name], chips=chips)

    frames = sent(performed(chain, chain.bring_up(mhz), answering=chips))

    assert [w.value for w in written(frames, 0x10)] == [value]


@pytest.mark.parametrize("name", EVERY)
def test_fewer_chips_than_expected_are_missing_not_fatal(name: str) -> None:
    spec = CHIPS[name]
    chain = Chain(spec, chips=12)

    for _ in performed(chain, chain.bring_up(spec.frequency.default), answering=11):
        pass

    assert (chain.chips, chain.missing) == (11, 1)
    assert chain.nominal_hashrate == 11 * spec.hashes_per_clock * spec.frequency.default * 1e6


def test_an_answer_that_is_lost_in_the_count_does_not_cost_a_chip() -> None:
    chain, answering = Chain(CHIPS["bm1370"], chips=4), [3, 2, 4]

    for action in chain.bring_up(525.0):
        if isinstance(action, AwaitSilence):
            chain.receive_data(wire.chip_id_reply(chain.spec) * answering.pop(0))

    assert (chain.chips, chain.missing, answering) == (4, 0, [])


def test_a_chain_can_tell_of_itself_while_its_chips_are_counted() -> None:
    chain = ready(CHIPS["bm1370"], chips=2)
    chain.assign(work(number=1), 0.0)

    nobody = performed(chain, chain.bring_up(525.0), answering=0)
    told = (chain.reports(1.0) for _ in nobody)

    with pytest.raises(ChipCountError):
        assert all([report.address for report in reports] == [0, 128] for reports in told)
    assert len(chain.reports(1.0)) == 2


def test_more_chips_than_expected_are_used() -> None:
    chain = Chain(CHIPS["bm1370"], chips=1)

    for _ in performed(chain, chain.bring_up(525.0), answering=2):
        pass

    assert (chain.chips, chain.missing) == (2, 0)


@pytest.mark.parametrize("name", EVERY)
def test_no_chip_at_any_rate_is_an_error(name: str) -> None:
    chain = Chain(CHIPS[name], chips=2, name="/dev/ttyUSB0")
    actions: list[Action] = []

    with pytest.raises(ChipCountError) as caught:
        actions.extend(performed(chain, chain.bring_up(150.0), answering=0))

    assert (caught.value.port, caught.value.expected, caught.value.found) == ("/dev/ttyUSB0", 2, 0)
    assert "no chip answers where 2 should; is the board powered?" in str(caught.value)
    known = {115_200, *(baud.rate for baud in CHIPS[name].baud_rates)}
    assert [a.rate for a in actions if isinstance(a, SwitchBaud)] == sorted(known)


def test_chips_that_kept_their_fast_rate_are_found() -> None:
    chain = Chain(CHIPS["bm1370"], chips=1)
    rates, reads = [115_200], 0

    for action in chain.bring_up(525.0):
        match action:
            case SwitchBaud(rate=rate):
                rates.append(rate)
            case AwaitSilence():
                reads += 1
                if rates[-1] == 1_000_000:
                    chain.receive_data(wire.chip_id_reply(chain.spec))

    assert (reads, rates[1:]) == (2, [115_200, 1_000_000])
    assert chain.chips == 1


def test_another_model_is_named() -> None:
    chain = Chain(CHIPS["bm1370"], chips=1, name="/dev/ttyACM1")

    actions = performed(chain, chain.bring_up(525.0), answering=2, model=CHIPS["bm1368"])
    with pytest.raises(BringUpError, match=r"ttyACM1.*BM1370.*1368"):
        list(actions)


def test_noise_among_the_answers_is_no_other_model() -> None:
    chain = Chain(CHIPS["bm1370"], chips=2)

    for action in chain.bring_up(525.0):
        if isinstance(action, AwaitSilence):
            stray = wire.framed(bytes(8), nonce=False)
            reply = wire.chip_id_reply(chain.spec)
            chain.receive_data(reply + b"\xaa\x55" + stray + reply)

    assert chain.chips == 2


def test_a_value_read_later_is_not_counted_as_a_chip() -> None:
    chain = ready(CHIPS["bm1370"])

    chain.receive_data(wire.chip_id_reply(chain.spec))

    assert chain.chips == 1


def test_frequency_goes_up_after_the_hash_count_and_down_before_it() -> None:
    chain = ready(CHIPS["bm1370"], mhz=500.0)

    up = [c.register for c in all_writes(sent(chain.change_frequency(520.0)))]
    down = [c.register for c in all_writes(sent(chain.change_frequency(500.0)))]

    assert up == [0x10, 0x08, 0x08, 0x08, 0x08]
    assert down == [0x08, 0x08, 0x08, 0x08, 0x10]
    assert chain.mhz == 500.0


def test_frequency_steps_are_a_tenth_of_a_second_apart() -> None:
    chain = ready(CHIPS["bm1370"], mhz=500.0)

    steps = [action for action in chain.change_frequency(525.0) if isinstance(action, Send)]

    assert [step.pause for step in steps if step.data[5] == 0x08] == [0.1] * 4


@pytest.mark.parametrize("mhz", [49.0, 801.0])
def test_frequency_outside_the_limits_is_refused(mhz: float) -> None:
    chain = ready(CHIPS["bm1370"])

    with pytest.raises(ValueError, match="50 to 800 MHz"):
        next(iter(chain.change_frequency(mhz)))
    with pytest.raises(ValueError, match="50 to 800 MHz"):
        next(chain.bring_up(mhz))


def test_unknown_baud_rate_and_impossible_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="115200, 1000000"):
        Chain(CHIPS["bm1370"], chips=1, baud_rate=9600)
    for chips in (0, 129):
        with pytest.raises(ValueError, match="1 to 128"):
            Chain(CHIPS["bm1370"], chips=chips)


def test_bm1370s_are_told_where_to_begin_after_their_first_job() -> None:
    chain = ready(CHIPS["bm1370"], chips=65)
    known = [row["hex"] for row in rows("commands") if "nonce offset" in row["meaning"]]

    first, second = chain.assign(work(number=1), 0.0).hex(), chain.assign(work(number=2), 1.0).hex()

    assert len(known) == 4
    assert all(frame in first for frame in known)
    assert first.index("55aa2156") < first.index(known[0])
    assert "000c8000" not in second


@pytest.mark.parametrize("name", EVERY)
def test_a_chain_can_be_brought_up_again(name: str) -> None:
    chain = ready(CHIPS[name], chips=2)
    again = chain.bring_up(CHIPS[name].frequency.default)

    start = list(takewhile(lambda action: not isinstance(action, AwaitSilence), again))

    assert start[0] == SwitchBaud(115_200)
    assert chain.mhz == CHIPS[name].frequency.ramp_from


@pytest.mark.parametrize("name", EVERY)
def test_chips_left_running_fast_are_slowed_down_even_to_where_a_ramp_would_begin(
    name: str,
) -> None:
    slow = CHIPS[name].frequency.ramp_from
    emulated = EmulatedChain(MODELS[name], 2, random=Random(1))

    for mhz in (300.0, slow):
        chain = Chain(CHIPS[name], chips=2)
        for action in chain.bring_up(mhz):
            if isinstance(action, Send):
                chain.receive_data(emulated.receive_data(action.data))

        assert [chip.clock_mhz for chip in emulated.chips] == pytest.approx([mhz, mhz], rel=0.01)
        assert chain.mhz == pytest.approx(mhz, rel=0.01)


def all_writes(frames: list[bytes]) -> list[WriteRegister]:
    commands = [COMMANDS.decode(frame) for frame in frames]
    return [command for command in commands if isinstance(command, WriteRegister)]


@pytest.mark.parametrize("name", WITH_PREAMBLE)
def test_chips_are_counted_again_after_a_verification_that_was_broken_off(name: str) -> None:
    chain = ready(CHIPS[name], chips=2)
    asking = chain.verify()
    next(asking)
    chain.receive_data(wire.chip_id_reply(chain.spec))
    next(asking)  # the second chip is asked, and the device told to rest

    for _ in performed(chain, chain.bring_up(400.0), answering=2):
        pass

    assert chain.chips == 2
