"""Which reading is believed: the order of trust, what is stale, what cannot be, and the notes."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.meter import DeviceWatts, Look, Meter, PlugWatts
from stratum_client.control.power import Source

NOW = 1000.0


def look(
    *devices: DeviceWatts,
    plug: PlugWatts | None = None,
    at: float = NOW,
    meter: Meter | None = None,
    plugs: Mapping[str, PlugWatts] | None = None,
) -> Look:
    return (meter or Meter()).look(at=at, wall=5.0, devices=devices, plug=plug, plugs=plugs)


def plug(watts: float | None, *, at: float = NOW, problem: str = "") -> PlugWatts:
    return PlugWatts(watts=watts, at=at, problem=problem, every=2.0, highest=1000.0)


def mining(name: str, measured: float | None, modelled: float | None) -> DeviceWatts:
    return DeviceWatts(name=name, is_mining=True, measured=measured, modelled=modelled)


def test_a_device_is_believed_before_its_plug_and_its_plug_before_the_model() -> None:
    devices = (mining("a", 20.0, 25.0), mining("b", None, 25.0), mining("c", None, 25.0))
    found = look(*devices, plugs={"a": plug(22.0), "b": plug(27.0, at=NOW - 1)})

    told = {
        name: (one.watts, one.source, one.at, one.note) for name, one in found.power.devices.items()
    }
    assert told == {
        "a": (20.0, Source.DRIVER, NOW, ""),
        "b": (27.0, Source.PLUG, NOW - 1, ""),
        "c": (25.0, Source.MODEL, NOW, ""),
    }
    total = found.power.total
    assert (total.watts, total.source, total.at) == (72.0, Source.MIXED, NOW - 1)
    assert (found.power.wall, found.power.at) == (5.0, NOW)
    assert (found.told, found.resting, found.is_measured) == (75.0, 0.0, False)


def test_a_sum_has_the_source_of_its_parts() -> None:
    assert look(mining("a", 1.0, 1.0), mining("b", 2.0, 1.0)).power.total.source is Source.DRIVER
    assert look(mining("a", 1.0, 1.0), mining("b", 2.0, 1.0)).is_measured
    assert look(mining("a", None, 1.0)).power.total.source is Source.MODEL
    nothing = look(mining("cpu", None, None))
    assert (nothing.power.total.watts, nothing.power.devices) == (0.0, {})
    assert nothing.power.total.note == "without cpu: no watts are known"


def test_the_plug_of_the_whole_rig_is_what_measures_the_rig() -> None:
    found = look(mining("a", 20.0, 25.0), plug=plug(31.0, at=NOW - 3))

    assert found.power.total.watts == 31.0
    assert (found.power.total.source, found.power.total.at) == (Source.PLUG, NOW - 3)
    assert found.power.devices["a"].watts == 20.0
    assert found.is_measured


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (plug(31.0, at=NOW - 6.1, problem="nothing listens there"), "silent for over 6 s: nothing"),
        (plug(None), "nothing heard yet"),
        (plug(None, problem="it wants a password"), "it wants a password"),
        (plug(math.nan), "it shows no number"),
        (plug(math.inf), "it shows no number"),
        (plug(-4.0), "-4 W, less than nothing"),
        (plug(1000.1), "more than the 1000 W that can be"),
        (plug(0.0), "it shows 0 W while 2 devices mine"),
    ],
)
def test_a_plug_that_cannot_be_believed_falls_down_the_order_with_a_note(
    said: PlugWatts, problem: str
) -> None:
    found = look(mining("a", 20.0, 25.0), mining("b", None, 25.0), plug=said)

    assert (found.power.total.watts, found.power.total.source) == (45.0, Source.MIXED)
    assert problem in found.power.total.note
    assert found.power.total.note.startswith("the rig's plug: ")


def test_a_device_says_why_a_better_source_of_its_own_is_passed_over() -> None:
    found = look(mining("a", math.nan, 25.0), plugs={"a": plug(1.0)})

    reading = found.power.devices["a"]
    assert (reading.watts, reading.source) == (25.0, Source.MODEL)
    assert reading.note == (
        "driver: it shows no number; its plug: it shows 1 W while the device mines"
    )


def test_nothing_at_rest_is_no_jump_to_nothing() -> None:
    found = look(DeviceWatts(name="a", measured=0.0, modelled=0.3), plug=plug(0.0))

    assert (found.power.total.watts, found.power.total.source) == (0.0, Source.PLUG)
    assert found.power.devices["a"].watts == 0.0
    assert (found.told, found.resting) == (0.3, 0.3)


def test_a_plug_that_is_lost_still_corrects_the_sum_of_devices() -> None:
    meter, board = Meter(), mining("a", None, 100.0)
    for second in range(3):
        look(board, plug=plug(115.0, at=NOW + second), at=NOW + second, meter=meter)

    lost = plug(115.0, at=NOW + 2)
    same = look(board, plug=lost, at=NOW + 20, meter=meter).power.total
    half = look(mining("a", None, 50.0), plug=lost, at=NOW + 20, meter=meter).power.total

    assert same.watts == pytest.approx(115.0)
    assert same.source is Source.MODEL
    assert half.watts == pytest.approx(65.0)
    assert "silent for over 6 s; its last readings correct the sum of devices" in same.note


def test_a_rig_whose_load_is_changing_calibrates_nothing() -> None:
    meter = Meter()
    for second, watts in enumerate((10.0, 40.0, 70.0, 100.0)):
        late = plug(watts - 30, at=NOW + second)
        look(mining("a", None, watts), plug=late, at=NOW + second, meter=meter)

    assert meter.calibration is None


def test_a_plug_that_is_configured_no_more_is_forgotten() -> None:
    meter, board = Meter(), mining("a", None, 100.0)
    for second in range(3):
        look(board, plug=plug(115.0, at=NOW + second), at=NOW + second, meter=meter)

    found = look(board, at=NOW + 4, meter=meter)

    assert (found.power.total.watts, found.power.total.note) == (100.0, "")


NUMBERS = st.none() | st.floats()
PLUGS = st.none() | st.builds(PlugWatts, watts=NUMBERS, at=st.floats(0, NOW), every=st.just(100.0))
DEVICES = st.lists(
    st.builds(
        DeviceWatts,
        name=st.sampled_from("abc"),
        is_mining=st.booleans(),
        measured=NUMBERS,
        modelled=NUMBERS,
    ),
    unique_by=lambda device: device.name,
)


@given(DEVICES, st.lists(PLUGS, min_size=1, max_size=4), st.dictionaries(st.just("a"), PLUGS))
def test_whatever_is_said_what_is_believed_can_be(
    devices: list[DeviceWatts], rig: list[PlugWatts | None], own: dict[str, PlugWatts | None]
) -> None:
    meter, plugs = Meter(), {name: one for name, one in own.items() if one}
    for said in rig:
        found = look(*devices, plug=said, meter=meter, plugs=plugs)
        for reading in (found.power.total, *found.power.devices.values()):
            assert 0.0 <= reading.watts <= 100_000.0
        assert 0.0 <= found.resting <= found.told
        assert not found.is_measured or found.power.total.source in {Source.PLUG, Source.DRIVER}
