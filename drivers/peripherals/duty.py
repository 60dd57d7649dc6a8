"""Fan duty and speed, as far as the fan controllers have them in common."""


def duty_code(percent: float, full_scale: int) -> int:
    """Return ``percent`` (0 to 100) as a register value of 0 to ``full_scale``, rounded down.

    Rounded down because that is what ESP-Miner and mujina write: 50 % of 63 is 31.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"a duty is 0 to 100 percent, not {percent}")
    return int(percent * full_scale / 100)
