"""An Antminer in a socket with too little power, one that finds too little, one that is tuned."""

import asyncio

import pytest

from drivers.brown_out import SupplyMemory
from drivers.errors import SettingError, TransportLostError
from drivers.icarus.driver import DRIVERS
from drivers.low_yield import Step
from drivers.peripherals.emulated_faults import Faults
from drivers.transports.errors import PortOpenError
from tests.icarus.rig import Rig

pytestmark = pytest.mark.virtual_time


async def mine_in_its_socket(rig: Rig, memory: SupplyMemory, **settings: object) -> None:
    """Run a device whenever the stick is there, a new one for each plug."""
    wanted = {"scale": rig.emulated.scale, "ticket": rig.emulated.ticket, **settings}
    while True:
        rig.device = DRIVERS[rig.emulated.name].on_ports(rig.port, wanted, rig.context, memory)
        try:
            await rig.device.run()
        except TransportLostError:
            continue
        except PortOpenError:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["antminer-u1", "antminer-u2"])
async def test_a_starved_antminer_comes_back_lower_and_mines(name: str) -> None:
    rig = Rig(name, faults=Faults(browns_out_above=160.0))
    memory = SupplyMemory()

    mining = asyncio.create_task(mine_in_its_socket(rig, memory, frequency=200))
    await rig.miner.until(lambda: len(rig.miner.solutions) >= 3)
    stats = rig.device.stats()
    mining.cancel()
    await asyncio.wait([mining])

    assert stats.frequency_mhz == 150.0
    assert stats.reason.startswith("came back at 150 MHz: it vanished")
    assert rig.emulated.brown_outs == 6, "three times at 200, three times at 175"


async def test_a_device_that_finds_too_little_is_opened_anew_then_run_lower() -> None:
    rig = Rig("antminer-u1", low_yield="on", low_yield_window=120, frequency=200)

    async with rig.running():
        await rig.miner.until(lambda: len(rig.miner.solutions) >= 3)
        rig.emulated.faults = Faults(wrong_nonce=0.75)
        await rig.miner.until(lambda: len(rig.log.named("device.low_yield")) == 3)
        await asyncio.sleep(5.0)
        stats = rig.device.stats()

    told = [fields["step"] for fields in rig.log.named("device.low_yield")]
    assert told == [Step.RESET.value, Step.LOWER.value, Step.LOWER_AGAIN.value]
    assert stats.frequency_mhz == 150.0
    assert stats.reason.startswith("limited to 150 MHz: it found")


async def test_a_u3_takes_a_new_voltage_before_a_rise_and_after_a_fall() -> None:
    rig = Rig("antminer-u3", frequency=200, voltage=0.75)

    async with rig.running():
        await rig.miner.until(lambda: len(rig.miner.solutions) >= 3)
        rig.device.adjust({"frequency": 225, "voltage": 0.8})
        seen = []
        while rig.emulated.mhz != 225.0:
            await asyncio.sleep(0.05)
            seen.append((rig.emulated.mhz, rig.emulated.volts))
        assert (200.0, 0.8) in seen
        assert (225.0, 0.75) not in seen

        rig.device.adjust({"frequency": 200, "voltage": 0.75})
        seen = []
        while rig.emulated.volts != 0.75:
            await asyncio.sleep(0.05)
            seen.append((rig.emulated.mhz, rig.emulated.volts))
        assert (200.0, 0.8) in seen
        assert (225.0, 0.75) not in seen
        assert rig.device.stats().details["voltage"] == 0.75

        with pytest.raises(SettingError, match=r"0\.725 to 0\.85"):
            rig.device.adjust({"voltage": 0.9})
        count = len(rig.miner.solutions)
        await rig.miner.until(lambda: len(rig.miner.solutions) >= count + 3)
        assert rig.device.stats().hardware_errors == 0


@pytest.mark.parametrize("name", ["antminer-u1", "antminer-u2", "block-erupter"])
async def test_a_voltage_that_cannot_be_set_is_refused_at_run_time(name: str) -> None:
    rig = Rig(name)

    with pytest.raises(SettingError, match="voltage"):
        rig.device.adjust({"voltage": 0.8})
