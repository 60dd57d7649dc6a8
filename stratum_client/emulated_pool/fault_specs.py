"""Faults as text, for the command line: ``NAME[=VALUE][,key=value]...``.

Examples: ``close,shares=10`` - ``reply=drop,method=mining.submit,times=3`` -
``job=nbits-0,every=5s`` - ``silence,after=30s`` - ``close,on=mining.configure``.
"""

from stratum_client.emulated_pool.fault_catalogue import FAULT_KINDS, Options
from stratum_client.emulated_pool.faults import Fault, When
from stratum_client.emulated_pool.spec_values import (
    FaultSpecError,
    one_of,
    seconds_of,
    whole,
)

WHEN_KEYS = ("after", "every", "shares", "on", "times")


def fault_of(text: str) -> Fault:
    """Return the fault that ``text`` describes; raises FaultSpecError."""
    head, *rest = text.split(",")
    name, _, value = head.strip().partition("=")
    kind = FAULT_KINDS[one_of(FAULT_KINDS, "fault", name)]
    options = dict(_option(part) for part in rest)
    try:
        when = _when({key: options.pop(key) for key in WHEN_KEYS if key in options})
        action = kind.build(value, options)
    except FaultSpecError:
        raise
    except ValueError as error:
        raise FaultSpecError(f"fault {text!r}: {error}") from error
    if options:
        raise FaultSpecError(f"fault {text!r} has no option {next(iter(options))!r}")
    return Fault(action=action, when=when, label=text)


def catalogue() -> str:
    """Return the description of every fault, for people."""
    lines = [
        "--fault NAME[=VALUE][,key=value]...   may be given several times",
        "",
        "When (else as soon as a client connects):",
        "  after=TIME   first wait so long         every=TIME  again and again",
        "  shares=N     after N answered shares    on=METHOD   at each request for METHOD",
        "  times=N      at most N times, all connections together",
        "  Times are seconds, or end in ms, s, m or h.",
        "",
        "What:",
    ]
    for name, kind in FAULT_KINDS.items():
        lines += [f"  {name}{kind.value}", f"      {kind.about}"]
    return "\n".join(lines)


def _option(part: str) -> tuple[str, str]:
    key, separator, value = part.partition("=")
    if not separator:
        raise FaultSpecError(f"{part!r} should read key=value")
    return key.strip(), value.strip()


def _when(options: Options) -> When:
    return When(
        after=seconds_of(options["after"]) if "after" in options else 0.0,
        every=seconds_of(options["every"]) if "every" in options else None,
        shares=whole(options["shares"]) if "shares" in options else None,
        on=options.get("on"),
        times=whole(options["times"]) if "times" in options else None,
    )
