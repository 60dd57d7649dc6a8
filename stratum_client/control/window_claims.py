"""From a mode of the schedule to what it claims; pure."""

from stratum_client.control.claims import IDLE, Claim, Level, Limit
from stratum_client.control.modes import Mode

ISSUER = "schedule"


def window_claims(mode: Mode, sentence: str, since: float) -> tuple[Claim, ...]:
    """Return what to state while ``mode`` holds; nothing where it limits nothing."""
    if not mode.run:
        return (_claim(IDLE, sentence, since),)
    if mode.share is None and mode.watts is None:
        return ()
    share = None if mode.eco else mode.share
    limit = Limit(share=share, eco=mode.eco, rig_watts=mode.watts)
    return (_claim(limit, f"{sentence}: {mode}", since),)


def _claim(limit: Limit, cause: str, since: float) -> Claim:
    return Claim(level=Level.WINDOW, issuer=ISSUER, limit=limit, cause=cause, since=since)
