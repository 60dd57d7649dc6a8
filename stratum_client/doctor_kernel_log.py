"""What the kernel's log of the last hour says of USB devices short of power or badly wired.

Reading it changes nothing. Where only root may read it, nothing is known.

Source: Linux, Documentation/ABI/testing/dev-kmsg; the messages of drivers/usb/core/hub.c and of
drivers/hwmon/raspberrypi-hwmon.c.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stratum_client.doctor import Check, Status

RECENT = 3600.0
"""Seconds that count."""

MANY_DISCONNECTS = 3
"""In that time; someone who plugs by hand does it less often."""

_RECORD_SIZE = 8192
_MOST_RECORDS = 200_000
_NAME = "USB log"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One message and its age in seconds."""

    age: float
    text: str


def kernel_log(path: Path = Path("/dev/kmsg")) -> list[LogRecord] | None:
    """Return what the kernel logged, oldest first; None if this user may not know."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        records = [_record(data, now) for data in _data_of(descriptor)]
    except OSError:  # it may be opened but not read
        return None
    finally:
        os.close(descriptor)
    return [record for record in records if record]


def kernel_log_check(records: Iterable[LogRecord] | None) -> Check:
    """Return what the log says of USB devices that come and go, do not answer or lack power."""
    if records is None:
        return Check(name=_NAME, text="only root may read the kernel's log", fix="sudo dmesg")
    texts = [record.text for record in records if record.age <= RECENT]
    troubles = [*_disconnected(texts), *_silent(texts), *_without_power(texts)]
    if not troubles:
        return Check(name=_NAME, text="no trouble with power or cables in the last hour")
    return Check(
        name=_NAME,
        status=Status.WARNING,
        text="in the last hour " + "; ".join(troubles),
        fix="sudo dmesg --ctime | grep -iE 'usb|voltage'",
    )


def _disconnected(texts: Iterable[str]) -> Iterable[str]:
    found = (re.match(r"usb (\d+-[\d.]+): USB disconnect", text) for text in texts)
    for place, times in sorted(Counter(one[1] for one in found if one).items()):
        if times >= MANY_DISCONNECTS:
            yield (
                f"usb:{place} was disconnected {times} times: too little power or a loose plug; "
                "use a powered hub, start at a lower frequency"
            )


def _silent(texts: Iterable[str]) -> Iterable[str]:
    complaint = "device descriptor read|device not accepting address|unable to enumerate USB device"
    place = r"usb (?:usb)?(?P<place>\d+(?:-[\d.]+)?)(?:-port(?P<port>\d+))?"
    found = (re.match(rf"{place}: .*(?:{complaint})", text) for text in texts)
    for name in sorted({_place(one["place"], one["port"]) for one in found if one}):
        yield f"a device at usb:{name} did not answer: try another cable and another socket"


def _place(hub: str, port: str | None) -> str:
    """Return a device's place from what the kernel calls it, or its hub and the port there."""
    return hub if port is None else f"{hub}{'.' if '-' in hub else '-'}{port}"


def _without_power(texts: Iterable[str]) -> Iterable[str]:
    words = [text.casefold() for text in texts]
    if any("over-current" in text for text in words):
        yield "a USB socket had to be switched off for over-current: use a powered hub"
    if any(re.search("under-?voltage detected", text) for text in words):
        yield "the computer's own supply was too weak: use a stronger one"


def _data_of(descriptor: int) -> Iterator[bytes]:
    """Yield each record up to the newest."""
    for _ in range(_MOST_RECORDS):
        try:
            data = os.read(descriptor, _RECORD_SIZE)
        except BrokenPipeError:  # the oldest was overwritten: the next read goes on behind it
            continue
        except BlockingIOError:
            return
        if not data:
            return
        yield data


def _record(data: bytes, now: float) -> LogRecord | None:
    """Return a record of /dev/kmsg: "priority,number,microseconds,flags;text"; None if it is none.

    Continuation lines, which begin with a blank, are left out.
    """
    head, semicolon, text = data.decode(errors="replace").partition(";")
    fields = head.split(",")
    if not semicolon or len(fields) < 3 or not re.fullmatch("[0-9]{1,18}", fields[2]):
        return None
    return LogRecord(age=now - int(fields[2]) / 1e6, text=text.partition("\n")[0])
