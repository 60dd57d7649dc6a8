"""Soft restarts in force: windows, orders, users, kills, power cuts, and clocks that are set."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stratum_client.api.control_lines import Order, OrderError, Reply
from stratum_client.boot import Boot, this_boot
from stratum_client.config_inrush import InrushConfig
from stratum_client.config_schedule import WindowConfig
from stratum_client.control.claims import Claim, Level, Limit
from stratum_client.control.rests_file import leavings_in, marker_text
from stratum_client.control.soft_restart import RestartRules
from stratum_client.device_pauses import DevicePauses
from stratum_client.restart_memory import RestartMemory, left_in
from tests.restart_rig import BOOT, Disk, Rig, disk, order, site_config
from tests.virtual_time import LoopClock

# Virtual time begins at 15:06:40 UTC, 400 s into a cycle of 600 s: in slot 400.
START = LoopClock.WALL_AT_START
INRUSH = InrushConfig(start_slots=600, index=17, ramp=240.0, min_off=120.0)
CONFIG = site_config(INRUSH)
OPENS = WindowConfig(hours=(15 * 60 + 10, 16 * 60))
LOST = Boot(id="next boot", uptime=20.0)


def late_in_slot(wall: float) -> float:
    """Return how many seconds after the beginning of slot 17 it is."""
    return (wall - 17 + 0.001) % 600


def unclean() -> Disk:
    return disk(marker_text(BOOT.id, START - 1000))


@pytest.mark.virtual_time
async def test_a_daemon_that_starts_for_the_first_time_delays_nobody() -> None:
    rig = Rig(CONFIG, "a", "b", disk=disk())
    async with rig.working():
        await asyncio.sleep(1)
        assert rig.running() == ["a", "b"]
        assert rig.boards["a"].stops == []
        assert rig.boards["a"].setpoint.ramp == 240.0
    [told] = rig.log.named("restart.slots")
    assert told == {"slot": 17, "of": 600, "seconds": 1.0, "cycle": 600.0}


@pytest.mark.virtual_time
async def test_a_window_that_opens_starts_the_rig_in_its_slot_and_not_for_a_moment_before() -> None:
    rig = Rig(site_config(INRUSH, windows=(OPENS,)), "a", "b")
    async with rig.working():
        await asyncio.sleep(201)
        assert rig.running() == []
        told = rig.control.decision("a")
        assert told.reason == "soft restart: slot 17 of 600, starts 15:10:17"
        assert told.binding[0].level is Level.WINDOW
        await asyncio.sleep(15.9)
        assert rig.running() == []
        await asyncio.sleep(0.2)
        assert rig.running() == ["a", "b"]
    assert [board.starts for board in rig.boards.values()] == [pytest.approx([217.0])] * 2
    reasons = [told["reason"] for told in rig.log.named("claim.stated")]
    assert reasons.count("soft restart: slot 17 of 600, starts 15:10:17") == 1
    assert [told["reason"] for told in rig.log.named("claim.expired")] == reasons[-1:]


@pytest.mark.virtual_time
@pytest.mark.parametrize("plugged_in_at", [50, 205])
async def test_a_board_that_comes_while_the_rig_rests_or_waits_starts_with_it(
    plugged_in_at: float,
) -> None:
    rig = Rig(site_config(INRUSH, windows=(OPENS,)), "a")
    async with rig.working():
        await asyncio.sleep(plugged_in_at)
        rig.plug_in("b")
        await asyncio.sleep(216.9 - plugged_in_at)
        assert rig.running() == []
        await asyncio.sleep(0.2)
        assert rig.running() == ["a", "b"]
        rig.plug_in("c")
        await asyncio.sleep(1)
        assert rig.running() == ["a", "b", "c"], "a rig that runs has started already"
    assert rig.boards["c"].stops == []


@pytest.mark.virtual_time
async def test_an_order_that_is_released_lets_the_rig_start_in_its_slot() -> None:
    rig = Rig(CONFIG, "a")
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(300)
        await rig.control.withdraw([claim], by="grid")
        await asyncio.sleep(600)
    assert rig.boards["a"].stops == [0.0]
    assert rig.boards["a"].starts == pytest.approx([817.0])


@pytest.mark.virtual_time
async def test_an_order_released_too_soon_leaves_boards_off_for_the_minimum_time() -> None:
    rig = Rig(site_config(InrushConfig(min_off=120.0)), "a")
    async with rig.working():
        await asyncio.sleep(10)
        await rig.control.state(claim := order())
        await asyncio.sleep(3)
        await rig.control.withdraw([claim], by="grid")
        assert rig.reason("a") == "soft restart: off for 120 s at least, starts 15:08:50"
        await asyncio.sleep(200)
    assert rig.boards["a"].starts == pytest.approx([130.0])


@pytest.mark.virtual_time
async def test_the_minimum_time_counts_from_when_a_board_is_off() -> None:
    rig = Rig(site_config(InrushConfig(min_off=2.0)), "fast", "slow")
    rig.boards["slow"].slowness = 1.5
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(1)
        await rig.control.withdraw([claim], by="grid")
        await asyncio.sleep(5)
    assert rig.boards["fast"].starts == pytest.approx([2.0], abs=0.05)
    assert rig.boards["slow"].starts == pytest.approx([3.5], abs=0.05)


@pytest.mark.virtual_time
async def test_a_users_own_device_comes_back_after_the_minimum_off_time() -> None:
    rig = Rig(CONFIG, "a", "b")
    async with rig.working():
        await rig.control.state(claim := order("a", level=Level.USER))
        await asyncio.sleep(30)
        await rig.control.withdraw([claim], by="user")
        assert rig.running() == ["b"]
        assert rig.reason("a") == "soft restart: off for 120 s at least, starts 15:08:40"
        assert rig.reason("b") == ""
        await asyncio.sleep(100)
    assert rig.boards["a"].starts == pytest.approx([120.0])
    assert rig.boards["b"].stops == []


@pytest.mark.virtual_time
async def test_without_inrush_everybody_starts_at_once() -> None:
    rig = Rig(site_config(None), "a", disk=unclean(), boot=LOST)
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(3)
        await rig.control.withdraw([claim], by="grid")
    assert rig.boards["a"].starts == pytest.approx([3.0])
    assert rig.boards["a"].setpoint.ramp is None
    assert len(rig.log.named("power.lost")) == 1


def mhz(rig: Rig, name: str) -> float | None:
    return rig.boards[name].setpoint.mhz


def limited(most: float, level: Level = Level.ORDER, device: str = "") -> Claim:
    limit = Limit(mhz=most)
    return Claim(level=level, issuer="g", device=device, limit=limit, cause="slower", since=START)


@pytest.mark.virtual_time
async def test_a_limit_of_the_site_that_is_released_holds_on_until_the_slot() -> None:
    rig = Rig(CONFIG, "a", "b")
    async with rig.working():
        await rig.control.state(limited(300.0))
        await asyncio.sleep(10)
        await rig.control.state(limited(200.0))
        await asyncio.sleep(10)
        await rig.control.state(limited(400.0))
        assert mhz(rig, "a") == 200.0
        await asyncio.sleep(80)
        await rig.control.withdraw([limited(400.0)], by="g")
        assert mhz(rig, "a") == 200.0
        reason = "soft restart: at most 200 MHz until slot 17 of 600, at 15:10:17"
        assert rig.reason("b") == reason
        await asyncio.sleep(116.9)
        assert mhz(rig, "a") == 200.0
        await asyncio.sleep(0.2)
        assert mhz(rig, "a") is None
    assert rig.boards["a"].stops == []
    assert len([told for told in rig.log.named("claim.stated") if told["reason"] == reason]) == 1


@pytest.mark.virtual_time
async def test_a_limit_that_was_tightened_while_it_held_on_holds_on_as_tight() -> None:
    rig = Rig(CONFIG, "a")
    async with rig.working():
        await rig.control.state(limited(200.0))
        await rig.control.state(limited(400.0))
        await rig.control.state(limited(150.0))
        assert mhz(rig, "a") == 150.0
        await rig.control.state(limited(300.0))
        assert mhz(rig, "a") == 150.0
        await rig.control.withdraw([limited(300.0)], by="g")
        assert mhz(rig, "a") == 150.0
        await asyncio.sleep(217.1)
        assert mhz(rig, "a") is None


@pytest.mark.virtual_time
async def test_a_limit_that_is_tightened_or_of_a_user_is_nobodys_restart() -> None:
    rig = Rig(CONFIG, "a", "b")
    async with rig.working():
        await rig.control.state(limited(300.0))
        await rig.control.state(limited(200.0))
        await rig.control.state(by_user := limited(100.0, Level.USER, "b"))
        assert [claim.issuer for claim in rig.control.claims.claims] == ["g", "g"]
        await rig.control.withdraw([by_user], by="g")
        assert mhz(rig, "b") == 200.0
        assert [claim.issuer for claim in rig.control.claims.claims] == ["g"]
        await rig.control.state(order())
        await rig.control.withdraw([limited(200.0)], by="g")
        assert rig.reason("a").startswith("ordered")


@pytest.mark.virtual_time
async def test_a_limit_that_holds_on_may_be_overridden_and_follows_a_set_clock() -> None:
    rig = Rig(CONFIG, "a")
    async with rig.working():
        await rig.control.state(limited(300.0))
        await asyncio.sleep(100)
        await rig.control.withdraw([limited(300.0)], by="g")
        rig.clock.ahead = 7200.0 + 60
        await asyncio.sleep(31)
        assert mhz(rig, "a") == 300.0
        held = [claim for claim in rig.control.claims.claims if claim.issuer == "restart limit"]
        assert late_in_slot(held[0].until or 0) < 0.1
        await rig.control.override(held, by="operator", level=Level.WINDOW)
        assert mhz(rig, "a") is None


@pytest.mark.virtual_time
async def test_a_rig_resumed_now_starts_out_of_turn_but_stays_off_for_the_minimum_time() -> None:
    rig = Rig(CONFIG, "a", "b")
    resume = DevicePauses(rig.control, clock=rig.clock).handlers["resume"]
    now = Order(fields={"now": True}, by="user miner")
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(30)
        await rig.control.withdraw([claim], by="grid")
        with pytest.raises(OrderError, match="give no device with now"):
            await answer(resume(replace(now, fields={"now": True, "device": "a"})))

        told = await answer(resume(now))

        assert told["released"] == ["soft restart: slot 17 of 600, starts 15:10:17"]
        assert rig.reason("a") == "soft restart: off for 120 s at least, starts 15:08:40"
        assert rig.log.named("claim.overridden")[0]["by"] == "user miner"
        await asyncio.sleep(600)
    assert rig.boards["a"].starts == rig.boards["b"].starts == pytest.approx([120.0])


async def answer(reply: Reply | Awaitable[Reply]) -> Any:
    return reply if isinstance(reply, Mapping) else await reply


@pytest.mark.virtual_time
async def test_without_slots_a_limit_is_released_at_once() -> None:
    rig = Rig(site_config(InrushConfig(min_off=120.0)), "a")
    async with rig.working():
        await rig.control.state(limited(300.0))
        await asyncio.sleep(10)
        await rig.control.withdraw([limited(300.0)], by="g")
        assert mhz(rig, "a") is None


@pytest.mark.virtual_time
async def test_a_restart_may_be_overridden_from_its_level() -> None:
    rig = Rig(CONFIG, "a", "b")
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(300)
        await rig.control.withdraw([claim], by="grid")
        held = [claim for claim in rig.control.claims.claims if claim.issuer == "restart"]
        assert len(held) == 1
        await rig.control.override(held, by="operator", level=Level.WINDOW)
        assert rig.running() == ["a", "b"]
        await asyncio.sleep(600)
    assert rig.boards["a"].starts == pytest.approx([300.0])


@pytest.mark.virtual_time
async def test_another_slot_by_a_reload_holds_at_once() -> None:
    rig = Rig(CONFIG, "a", "b")
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(150)
        await rig.control.withdraw([claim], by="grid")
        rig.desk.configure(site_config(InrushConfig(start_slots=600, index=570, ramp=60.0)))
        assert rig.reason("a") == "soft restart: slot 570 of 600, starts 15:09:30"
        await asyncio.sleep(1)
        rig.desk.configure(site_config(None))
        assert rig.running() == ["a", "b"]
    assert rig.boards["a"].setpoint.ramp is None


# -- the daemon ends, the machine goes down


@pytest.mark.virtual_time
async def test_after_a_loss_of_power_a_rig_waits_at_random_and_starts_in_its_slot() -> None:
    config = site_config(InrushConfig(start_slots=600, index=17, after_power_loss=(60.0, 300.0)))
    rig = Rig(config, "a", disk=unclean(), boot=LOST, random=Random(7))
    assert rig.running() == [], "before anything is started"
    [told] = rig.log.named("power.lost")
    assert isinstance(told["wait"], float)
    assert 60 <= told["wait"] <= 300
    async with rig.working():
        await asyncio.sleep(1)
        reason = rig.reason("a")
        assert reason.startswith("soft restart after a loss of power: slot 17 of 600, starts 15:")
        await asyncio.sleep(1200)
    [start] = rig.boards["a"].starts
    assert start >= told["wait"]
    assert late_in_slot(START + start) < 0.1


@pytest.mark.virtual_time
async def test_a_wait_without_slots_is_a_random_one_alone() -> None:
    config = site_config(InrushConfig(after_power_loss=(60.0, 300.0)))
    rig = Rig(config, "a", disk=unclean(), boot=LOST, random=Random(7))
    [told] = rig.log.named("power.lost")
    async with rig.working():
        await asyncio.sleep(301)
    assert rig.boards["a"].starts == pytest.approx([told["wait"]], abs=0.06)


@pytest.mark.virtual_time
async def test_boards_that_are_found_after_a_loss_of_power_wait_like_the_rest() -> None:
    config = site_config(InrushConfig(start_slots=600, index=17))
    rig = Rig(config, disk=unclean(), boot=LOST)
    async with rig.working():
        await asyncio.sleep(3)
        rig.plug_in("found")
        assert rig.running() == []
        await asyncio.sleep(600)
    assert rig.boards["found"].starts == pytest.approx([217.0])


@pytest.mark.virtual_time
async def test_a_daemon_that_was_killed_waits_for_nothing() -> None:
    rig = Rig(CONFIG, "a", disk=unclean(), boot=BOOT)
    async with rig.working():
        await asyncio.sleep(1)
    assert len(rig.log.named("daemon.was_killed")) == 1
    assert rig.boards["a"].stops == []


async def killed(rig: Rig) -> None:
    """End a daemon at once: nobody writes anything down."""
    tasks = [asyncio.ensure_future(part.run()) for part in (rig.control, rig.desk, rig.windows)]
    await asyncio.sleep(5)
    rig.desk._memory._left = None
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.virtual_time
async def test_killing_the_daemon_is_no_way_around_the_slot() -> None:
    kept = unclean()
    config = site_config(InrushConfig(start_slots=600, index=17, after_power_loss=(100.0, 100.0)))
    first = Rig(config, "a", disk=kept, boot=LOST)
    await killed(first)
    assert first.boards["a"].starts == []

    second = Rig(config, "a", disk=kept, boot=LOST)
    async with second.working():
        second.plug_in("found")
        await asyncio.sleep(600)
    assert second.log.named("power.lost") == []
    for board in second.boards.values():
        assert board.starts == pytest.approx([217.0])


@pytest.mark.virtual_time
async def test_a_kill_between_the_two_files_does_not_hide_the_loss_of_power() -> None:
    kept = unclean()
    kept.marker.broken = True  # it was killed before
    await killed(Rig(CONFIG, "a", disk=kept, boot=LOST))
    kept.marker.broken = False
    assert kept.rests.data is not None

    second = Rig(CONFIG, "a", disk=kept, boot=LOST)

    assert len(second.log.named("power.lost")) == 1
    assert second.running() == []


@pytest.mark.virtual_time
async def test_what_rested_when_the_daemon_was_killed_starts_in_its_slot() -> None:
    kept = disk()
    first = Rig(CONFIG, "a", disk=kept)
    await first.control.state(order())
    await killed(first)

    second = Rig(CONFIG, "a", disk=kept)
    async with second.working():
        await asyncio.sleep(600)
    assert second.boards["a"].starts == pytest.approx([217.0])


@pytest.mark.virtual_time
async def test_a_clean_end_leaves_since_when_boards_are_off() -> None:
    kept = disk()
    async with Rig(CONFIG, "a", disk=kept).working():
        await asyncio.sleep(10)
        assert kept.marker.read()
    assert kept.marker.read() is None

    await asyncio.sleep(3)
    second = Rig(CONFIG, "a", "new", disk=kept)
    async with second.working():
        assert second.running() == ["new"]
        assert second.reason("a") == "soft restart: off for 120 s at least, starts 15:08:50"
        await asyncio.sleep(600)
    assert second.boards["a"].starts == pytest.approx([130.0])


@pytest.mark.virtual_time
async def test_a_machine_that_was_shut_down_and_started_takes_its_slot() -> None:
    kept = disk()
    async with Rig(CONFIG, "a", disk=kept).working():
        await asyncio.sleep(10)

    second = Rig(CONFIG, "a", "new", disk=kept, boot=LOST)
    async with second.working():
        await asyncio.sleep(600)
    assert second.log.named("power.lost") == []
    for board in second.boards.values():
        assert board.starts == pytest.approx([217.0])


@pytest.mark.virtual_time
async def test_a_disk_that_is_full_keeps_nobody_from_starting() -> None:
    kept = disk()
    kept.marker.broken = kept.rests.broken = True
    rig = Rig(CONFIG, "a", disk=kept)
    async with rig.working():
        await rig.control.state(claim := order())
        await asyncio.sleep(300)
        await rig.control.withdraw([claim], by="grid")
        await asyncio.sleep(300)
        assert rig.boards["a"].starts == []
        kept.marker.broken = kept.rests.broken = False
        await asyncio.sleep(300)
    assert rig.boards["a"].starts == pytest.approx([817.0])
    errors = rig.log.named("rests.not_saved")
    assert len(errors) == 1, "the same problem is told once"
    assert kept.rests.data is not None, "and it is tried again"


@pytest.mark.virtual_time
async def test_damaged_leavings_are_put_aside_and_taken_for_those_of_boards_just_switched_off() -> (
    None
):
    rig = Rig(CONFIG, "a", disk=disk(rests=b"\0\0\0"))
    async with rig.working():
        await asyncio.sleep(1000)
    assert len(rig.log.named("rests.damaged")) == 1
    assert rig.boards["a"].starts == pytest.approx([217.0])


@pytest.mark.virtual_time
async def test_a_mark_that_cannot_be_read_is_taken_for_one_of_another_boot(tmp_path: Path) -> None:
    (tmp_path / "running.json").mkdir()
    rig = Rig(CONFIG, "a", disk=None)
    rests = RestartMemory(left_in(tmp_path), boot=BOOT, clock=rig.clock, log=rig.log)

    begun = rests.beginning(RestartRules(), Random(1))

    assert begun.unseen is not None
    assert len(rig.log.named("power.lost")) == 1
    assert rig.log.named("rests.unreadable")[0]["error"] == "Is a directory"


@pytest.mark.virtual_time
async def test_a_machine_that_began_at_1970_leaves_what_can_be_read() -> None:
    kept, boot = unclean(), Boot(id="next boot", uptime=START + 50)
    async with Rig(CONFIG, "a", disk=kept, boot=boot).working():
        await asyncio.sleep(1)
    assert kept.rests.data is not None
    assert leavings_in(kept.rests.data).boot_id == "next boot"


@pytest.mark.virtual_time
async def test_little_is_written_while_nothing_changes() -> None:
    kept = disk()
    async with Rig(CONFIG, "a", disk=kept).working():
        await asyncio.sleep(86_400)
        assert (kept.marker.writes, kept.rests.writes) == (1, 1)


# -- clocks


@pytest.mark.virtual_time
@pytest.mark.parametrize("jump", [3600.0 * 24 * 400 + 5, -3600.0, 70.0])
async def test_a_clock_that_is_set_shortens_no_wait_and_prolongs_it_by_a_cycle_at_most(
    jump: float,
) -> None:
    config = site_config(InrushConfig(start_slots=600, index=17, after_power_loss=(100.0, 100.0)))
    rig = Rig(config, "a", disk=unclean(), boot=LOST)
    async with rig.working():
        await asyncio.sleep(10)
        rig.clock.ahead = jump
        await asyncio.sleep(1400)
    [start] = rig.boards["a"].starts
    assert 100 <= start <= 100 + 600
    assert late_in_slot(START + jump + start) < 0.1


def test_this_machine_tells_which_boot_it_is() -> None:
    boot = this_boot()

    assert len(boot.id) == 36
    assert this_boot().id == boot.id
    assert boot.uptime > 0


def test_a_machine_that_does_not_tell_has_no_boot_id() -> None:
    assert this_boot(Path("/nowhere/boot_id")).id == ""
