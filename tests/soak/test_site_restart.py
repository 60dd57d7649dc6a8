"""A site of 1 000 rigs starts again: its power never rises faster than it may.

Whatever lets them start, each with its own clock, control and desks. What is asserted of rigs that
take all their power at once holds for any ramp that they have in common.
"""

from xml.etree import ElementTree

import pytest

from docs.plots import site_restart
from stratum_client.control.start_slots import CHANCE, excess_chance
from tests.soak.restarting_site import (
    BEGIN,
    BOOTED_WITHIN,
    DELIVERED_WITHIN,
    LONGEST_WAIT,
    RIG_POWER,
    Curve,
    Site,
    in_virtual_time,
)

RIGS, RIGS_IN_BRIEF = 1000, 150
LIMIT_OF_A_RIG = 2000.0
"""Watts a minute that the site may rise by, for each of its rigs: 2 MW a minute with 1 000."""

SLACK = 5.0

SVG = "{http://www.w3.org/2000/svg}"

EVENTS = {
    "window": SLACK,
    "order": DELIVERED_WITHIN + SLACK,
    "outage": BOOTED_WITHIN + LONGEST_WAIT + SLACK,
}
"""What lets a site start, and the seconds before the last rig may."""


def site(*, soaking: bool, is_indexed: bool, seed: int = 1) -> Site:
    rigs = RIGS if soaking else RIGS_IN_BRIEF
    return Site(rigs=rigs, limit=rigs * LIMIT_OF_A_RIG, is_indexed=is_indexed, seed=seed)


def check(started: Curve, site: Site, within: float) -> None:
    """Hold a start to the site's limit, to its end, and to the power that all take."""
    last = started.starts[-1]

    assert started.stepped().steepest() <= site.limit
    assert started.steepest() <= site.limit
    assert started.starts[0] >= BEGIN - 1
    assert last <= BEGIN + site.cycle + within
    [full] = started.power([last + started.ramp])
    assert full == pytest.approx(site.rigs * RIG_POWER)


@pytest.mark.soak
@pytest.mark.parametrize("event", EVENTS)
def test_rigs_with_an_index_never_exceed_the_limit(event: str, soaking: bool) -> None:
    place = site(soaking=soaking, is_indexed=True)

    check(in_virtual_time(place, event), place, EVENTS[event])


@pytest.mark.soak
@pytest.mark.parametrize("event", EVENTS)
def test_rigs_with_names_alone_exceed_it_in_less_than_one_start_in_a_million(
    event: str, soaking: bool
) -> None:
    for seed in range(1, 6 if soaking else 2):
        place = site(soaking=soaking, is_indexed=False, seed=seed)
        slots = round(61 / place.inrush(0).rules("any").slots.length)
        at_once = int(place.limit / RIG_POWER)
        stated = excess_chance(at_once=at_once, rigs=place.rigs, count=place.rigs, slots=slots)

        assert stated <= CHANCE
        check(in_virtual_time(place, event), place, EVENTS[event])


def test_a_curve_is_as_steep_as_a_second_reckoning_says() -> None:
    for ramp in (0.0, 30.0, 240.0):
        curve = Curve((10.0, 10.5, 40.0, 70.2, 70.25, 130.0), ramp)
        step = 0.05
        times = [step * n for n in range(8000)]
        plain = [
            sum(
                RIG_POWER * min(max((at - s) / ramp if ramp else at >= s, 0), 1)
                for s in curve.starts
            )
            for at in times
        ]
        width = round(60 / step)
        most = max(now - before for before, now in zip(plain, plain[width:], strict=False))

        assert curve.power(times) == pytest.approx(plain)
        assert curve.steepest() == pytest.approx(most, rel=0.01)


@pytest.mark.soak
def test_the_picture_in_the_docs_shows_what_happens_now(soaking: bool) -> None:
    drawn = site_restart.drawing(RIGS if soaking else 40)

    assert len(list(ElementTree.fromstring(drawn).iter(f"{SVG}polyline"))) == 15
    if soaking:
        assert site_restart.PATH.read_text(encoding="utf-8") == drawn
