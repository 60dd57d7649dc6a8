"""Sticks found, mined with, pulled and put back, with nobody touching the client."""

import threading
from pathlib import Path

import pytest

from drivers.transports.emulated_usb.device import Controller
from tests.e2e.stick_machine import machine_in, mining_with, threads_left


@pytest.mark.parametrize(
    ("via", "controller"),
    [("usb", Controller.UHCI), ("tty", Controller.XHCI)],
    ids=["usb-UHCI", "tty-XHCI"],
)
async def test_sticks_of_one_kind_go_on_under_their_names_when_they_are_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, via: str, controller: Controller
) -> None:
    before = set(threading.enumerate())
    async with machine_in(tmp_path, monkeypatch, controller=controller) as machine:
        left, right = (machine.plug_in("terminus", serial) for serial in ("A1", "B2"))
        erupter = machine.plug_in("block-erupter")
        configs = [erupter.config(via=via)]
        for name, stick in (("left", left), ("right", right)):
            config = stick.config(via=via)
            configs.append(type(config)(name=name, match=config.match, settings=config.settings))
        async with mining_with(machine, configs) as bench:
            await bench.mine(2)
            counted = bench.accepted("left")
            ways = {one.stats.details["way"] for one in bench.devices.values()}
            assert ways == {via}

            await bench.replug(left, right, erupter)
            await bench.mine(2)

            assert set(bench.devices) == {"left", "right", "block-erupter"}
            assert bench.accepted("left") >= counted + 2
            ports = {name: bench.fleet.port_of(name) for name in ("left", "right")}
            assert {name: port.serial for name, port in ports.items() if port} == {
                "left": "A1",
                "right": "B2",
            }
            bench.assert_no_share_was_wrong()
            assert not bench.log.named("device.failed")
        assert all(stick.is_given_back for stick in machine.sticks)
        assert not any(stick.garbage for stick in machine.sticks)
        assert not await threads_left(before)
