"""The reading thread alone: when it asks, when it rests, when it ends."""

import threading
from array import array
from typing import cast

from drivers.transports.usb_device import Endpoints, UsbDevice
from drivers.transports.usb_reader import Reader

PATIENCE = 10.0
ENDPOINTS = Endpoints(incoming=0x81, outgoing=0x02, packet_size=64)
STATUS_ONLY = b"\x01\x60"


class TickingDevice:
    """Has a packet of status bytes at any time; counts how often it is asked."""

    path = "usb:9-9"

    def __init__(self) -> None:
        self.asked = 0

    def read_into(self, endpoint: int, buffer: "array[int]", timeout_ms: int) -> int:
        self.asked += 1
        buffer[: len(STATUS_ONLY)] = array("B", STATUS_ONLY)
        return len(STATUS_ONLY)


def test_a_device_is_not_asked_again_while_the_reader_rests_and_a_rest_ends_with_stop() -> None:
    device, rested = TickingDevice(), threading.Event()

    def received(transfer: bytes) -> float:
        assert transfer == STATUS_ONLY
        if device.asked < 3:
            return 0.0
        rested.set()
        return PATIENCE * 100

    reader = Reader(
        cast("UsbDevice", device),
        ENDPOINTS,
        many=True,
        received=received,
        lost=lambda reason: None,
        is_over=lambda: False,
    )
    reader.start()
    assert rested.wait(PATIENCE)

    reader.stop()
    reader.join()

    assert device.asked == 3
