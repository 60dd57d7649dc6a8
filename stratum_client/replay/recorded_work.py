"""Work as it was written into a recording, back to what a driver is given. Pure."""

from drivers.api import Work
from stratum_client.recording.entries import Entry


def work_of(entry: Entry) -> Work:
    """Return the work of a checked entry; its ``header`` is 76 bytes in header order."""
    header = bytes.fromhex(entry.text("header"))
    return Work(
        version=int.from_bytes(header[:4], "little"),
        version_mask=int(entry.text("mask"), 16),
        prev_hash=header[4:36],
        merkle_root=header[36:68],
        ntime=int.from_bytes(header[68:72], "little"),
        nbits=int.from_bytes(header[72:76], "little"),
        target=int(entry.text("target"), 16),
    )
