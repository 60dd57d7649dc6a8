"""Readings that a part cannot really have measured are no readings."""


def within(value: float, lowest: float, highest: float) -> float | None:
    """Return ``value``, None outside ``lowest`` to ``highest``: a bus that reads all ones, say."""
    return value if lowest <= value <= highest else None
