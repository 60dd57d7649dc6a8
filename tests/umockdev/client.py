"""Programs that use pyusb and the real libusb; the test runs one under umockdev's preload.

Each says lines. One that begins with a question mark is a command for the emulator, whose answer
comes as a line of input.
"""

import sys
import time
from typing import Any

import usb.core
import usb.util

PATIENCE = 10.0


def say(*words: object) -> None:
    """Write a line at once."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def stick(serial: str) -> Any:
    """Return a device by its serial number, None if it is not there."""
    for device in usb.core.find(find_all=True):
        if device.serial_number == serial:
            return device
    return None


def opened(serial: str) -> Any:
    """Return a device with its bridge set up for the chips, at 115200 8N1."""
    device = stick(serial)
    if device.is_kernel_driver_active(0):
        device.detach_kernel_driver(0)
    usb.util.claim_interface(device, 0)
    if device.idVendor == 0x0403:
        for request, value in ((0, 0), (3, 0x001A), (4, 0x0008), (9, 1)):
            device.ctrl_transfer(0x40, request, value, 0)
    else:
        device.ctrl_transfer(0x41, 0x00, 1, 0)
        device.ctrl_transfer(0x41, 0x1E, 0, 0, (115200).to_bytes(4, "little"))
    return device


def exchanged(device: Any, data: bytes) -> bytes:
    """Write ``data``; return what comes back, without status bytes."""
    ftdi = device.idVendor == 0x0403
    device.write(0x02 if ftdi else 0x01, data)
    heard = b""
    while len(heard) < len(data):
        transfer = bytes(device.read(0x81, 512, 2000))
        if ftdi:
            transfer = b"".join(transfer[at + 2 : at + 64] for at in range(0, len(transfer), 64))
        heard += transfer
    return heard


def failure(call: Any, *arguments: Any) -> str:
    """Return how a call fails: class, libusb's code, errno."""
    try:
        return f"ok {call(*arguments)}"
    except usb.core.USBError as error:
        return f"{type(error).__name__} {error.backend_error_code} {error.errno}"


def lists() -> None:
    """Say what is there."""
    for device in usb.core.find(find_all=True):
        say(f"{device.idVendor:04x}:{device.idProduct:04x}", device.serial_number, device.product)


def echoes() -> None:
    """Send a long piece through both sticks and say whether it came back."""
    data = bytes(range(256))
    for serial in ("A1", "B2"):
        say(exchanged(opened(serial), data) == data)


def fails() -> None:
    """Say how what goes wrong goes wrong."""
    first = opened("B2")
    say(failure(first.read, 0x81, 64, 20))
    say(failure(first.ctrl_transfer, 0x40, 0x55, 0, 0))
    second = stick("B2")
    say(failure(usb.util.claim_interface, second, 0))
    first.write(0x01, bytes(64))
    say(failure(first.read, 0x81, 40, 1000))


def shares() -> None:
    """Use vendor requests while the kernel's driver keeps the interface, then take and return."""
    device = stick("A1")
    say(device.is_kernel_driver_active(0))
    say(failure(device.ctrl_transfer, 0x40, 0x0B, 0x20F0, 0))
    say(failure(usb.util.claim_interface, device, 0))
    device.detach_kernel_driver(0)
    usb.util.claim_interface(device, 0)
    usb.util.release_interface(device, 0)
    device.attach_kernel_driver(0)
    say(device.is_kernel_driver_active(0))


def survives() -> None:
    """Lose a stick during a read, see it go, and use it again once it is back."""
    for _ in range(3):
        device = opened("B2")
        say(exchanged(device, b"work") == b"work")
        say("? unplug 1")
        say(failure(device.read, 0x81, 64, 10_000))
        sys.stdin.readline()
        usb.util.dispose_resources(device)
        say(until(lambda: stick("B2") is None))
        say("? replug 1")
        sys.stdin.readline()
        say(until(lambda: stick("B2") is not None))
        other = opened("A1")
        say(exchanged(other, b"other") == b"other")
        usb.util.dispose_resources(other)


def until(condition: Any) -> bool:
    """Return whether ``condition`` comes true; libusb hears of plugs in a thread of its own."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    {each.__name__: each for each in (lists, echoes, fails, shares, survives)}[sys.argv[1]]()
