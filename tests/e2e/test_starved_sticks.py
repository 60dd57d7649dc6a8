"""A stick whose socket gives too little, found and mined with by the whole client."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.api import DeviceState
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from drivers.peripherals.emulated_faults import Faults
from tests.e2e.stick_machine import PATIENCE, machine_in, mining_with


async def test_a_starved_stick_settles_where_its_socket_can_feed_it_and_mines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine_in(tmp_path, monkeypatch) as machine:
        stick = machine.plug_in("antminer-u1")
        assert isinstance(stick.port, EmulatedUsbPort)
        stick.port.device.faults = Faults(browns_out_above=140.0)
        config = stick.config()
        config = replace(config, settings={**config.settings, "frequency": 150})

        async with mining_with(machine, [config]) as bench:
            await bench.until(lambda: bool(bench.log.named("device.brown_out")), PATIENCE)
            await bench.mine(2)

            stats = bench.devices[stick.name].stats
            assert stats.state is DeviceState.MINING
            assert stats.frequency_mhz == 125.0
            assert stats.reason.startswith("came back at 125 MHz: it vanished")
            bench.assert_no_share_was_wrong()
            assert not bench.log.named("device.failed")
