"""The table of emulated devices, against the published identification table."""

import pytest

from drivers.transports.emulated_usb.identities import STICKS, BridgeModel

# kanoi/cgminer usbutils.c and driver-gekko.c, luke-jr/bfgminer: ids, strings, bridges
PUBLISHED = {
    "compac": ("10c4:ea60", "GekkoScience", "Compac BM1384 Bitcoin Miner", "CP2102"),
    "2pac": ("10c4:ea60", "GekkoScience", "2Pac BM1384 Bitcoin Miner", "CP2102"),
    "terminus": ("10c4:ea60", "GekkoScience", "Terminus BM1384 Bitcoin Miner", "CP2102"),
    "newpac": ("0403:6015", "GekkoScience", "NewPac Bitcoin Miner", "FT-X"),
    "r606": ("0403:6015", "GekkoScience", "R606 Bitcoin Miner", "FT-X"),
    "compac-f": ("0403:6015", "GekkoScience", "CompacF Bitcoin Miner", "FT-X"),
    "r909": ("0403:6015", "GekkoScience", "R909 Bitcoin Miner", "FT-X"),
    "compac-a1": ("10c4:ea70", "Silicon Labs", "GekkoScience Compac A1", "CP2105"),
    "compac-a2": ("10c4:ea70", "Silicon Labs", "GekkoScience Compac A2", "CP2105"),
    "terminus-a1": ("10c4:ea70", "Silicon Labs", "GekkoScience Terminus A1", "CP2105"),
    "terminus-a2": ("10c4:ea70", "Silicon Labs", "GekkoScience Terminus A2", "CP2105"),
    "block-erupter": ("10c4:ea60", None, "Block Erupter", "CP2102"),
    "antminer-u1": ("10c4:ea60", None, "Antminer U1", "CP2102"),
    "antminer-u2": ("10c4:ea60", None, "Antminer U2", "CP2102"),
    "antminer-u3": ("10c4:ea60", None, None, "CP2102"),
    "rbox": ("10c4:ea60", None, None, "CP2102"),
    "icarus": ("067b:2303", None, None, "PL2303"),
    "lancelot": ("0403:6001", None, "FT232R USB UART", "FT232R"),
    "cairnsmore1": ("0403:6014", None, "Cairnsmore1", "FT232H"),
}


def test_every_stick_can_be_emulated() -> None:
    assert STICKS.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_stick_says_what_was_published(name: str) -> None:
    usb_id, manufacturer, product, bridge = PUBLISHED[name]
    stick = STICKS[name]

    assert f"{stick.vid:04x}:{stick.pid:04x}" == usb_id
    assert manufacturer in {None, stick.manufacturer}
    assert product in {None, stick.product}
    assert stick.bridge is BridgeModel(bridge)


def test_sticks_without_strings_of_their_own_look_like_any_cable() -> None:
    assert STICKS["antminer-u3"].product == STICKS["rbox"].product
    assert "Antminer" not in STICKS["antminer-u3"].product


def test_only_boards_with_a_reset_line_have_one() -> None:
    wired = {name for name, stick in STICKS.items() if stick.reset}

    assert wired == {
        *("newpac", "r606", "compac-f", "r909"),
        *("compac-a1", "compac-a2", "terminus-a1", "terminus-a2"),
    }
