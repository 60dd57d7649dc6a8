"""What those who listen at a rim may ask of the recorder."""

from collections.abc import Mapping
from typing import Protocol

from stratum_client.recording.entries import Rim, What


class Notes(Protocol):
    """Takes notes."""

    def note(
        self,
        rim: Rim,
        what: What,
        name: str = "",
        fields: Mapping[str, object] | None = None,
        *,
        data: bytes = b"",
    ) -> None:
        """Note that something happens now."""
        ...

    def note_shares(self) -> None:
        """Note how many shares had which fate, if that has changed."""
        ...

    def next_work_number(self) -> int:
        """Return a number that no other work has."""
        ...
