"""A stream of bytes cut into lines, however it arrives; bounded, pure."""


class LineBuffer:
    """Keeps the line that has begun; the whole ones are given out at once."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        """Return how many bytes of an unfinished line are kept."""
        return len(self._begun)

    @property
    def start(self) -> bytes:
        """Return the first bytes of the unfinished line."""
        return bytes(self._begun[:80])

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes, without their ends; blank ones left out."""
        self._begun += data
        end = self._begun.rfind(b"\n", self._searched)
        lines: list[bytes] = []
        if end >= 0:
            lines = [line for line in bytes(self._begun[:end]).split(b"\n") if line.strip()]
            del self._begun[: end + 1]
        self._searched = len(self._begun)
        return lines
