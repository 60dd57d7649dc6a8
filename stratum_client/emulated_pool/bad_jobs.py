"""Jobs that are wrong in exactly one way, and jobs that are right but look odd.

The odd ones can be mined; of the wrong ones the pool keeps no record, so that a share for one
of them is counted as stale.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from stratum_client.emulated_pool.jobs import Template

Params = list[object]

_COINS_22_MILLION = (22_000_000 * 10**8).to_bytes(8, "little").hex()
_COINBASE_HEAD = 2 * (4 + 1)
"""Hex digits before the outpoint: version and input count."""
_OUTPOINT = 2 * 36
_VALUE_AT = 2 * (4 + 1)
"""Hex digits of coinb2 before the first output's value: sequence and output count."""


def _at(index: int, value: object) -> Callable[[Params], Params]:
    return lambda params: [*params[:index], value, *params[index + 1 :]]


def _map(index: int, change: Callable[[str], object]) -> Callable[[Params], Params]:
    return lambda params: _at(index, change(str(params[index])))(params)


def _branch(change: Callable[[list[str]], list[str]]) -> Callable[[Params], Params]:
    def changed(params: Params) -> Params:
        branch = params[4]
        assert isinstance(branch, list)
        return _at(4, change(branch))(params)

    return changed


def _with_outpoint(coinbase1: str) -> str:
    end = _COINBASE_HEAD + _OUTPOINT
    return coinbase1[:_COINBASE_HEAD] + "11" * 32 + "00000000" + coinbase1[end:]


def _with_short_script(coinbase1: str) -> str:
    at = _COINBASE_HEAD + _OUTPOINT
    covered = len(coinbase1[at + 2 :]) // 2
    return f"{coinbase1[:at]}{covered:02x}{coinbase1[at + 2 :]}"


def _with_value(coinbase2: str) -> str:
    return coinbase2[:_VALUE_AT] + _COINS_22_MILLION + coinbase2[_VALUE_AT + 16 :]


WRONG: Mapping[str, Callable[[Params], Params]] = MappingProxyType(
    {
        "prev-short": _map(1, lambda text: text[2:]),
        "prev-nonhex": _map(1, lambda text: "zz" + text[2:]),
        "merkle-30": _branch(lambda branch: [*branch[:-1], "ab" * 30]),
        "branch-33": _at(4, ["cd" * 32] * 33),
        "branch-nonhex": _branch(lambda branch: [*branch, "xy" * 32]),
        "nbits-0": _at(6, "00000000"),
        "nbits-neg": _at(6, "1d80ffff"),
        "nbits-easy": _at(6, "22ffffff"),
        "version-9": _at(5, "120000000"),
        "ntime-nonhex": _at(7, "yesterday"),
        "cb-nonull": _map(2, _with_outpoint),
        "cb-trailing": _map(3, lambda text: text + "deadbeef"),
        "cb-scriptlen": _map(2, _with_short_script),
        "cb-value": _map(3, _with_value),
        "cb-odd": _map(2, lambda text: text[:-1]),
        "cb-huge": _map(3, lambda text: text + "00" * 200_000),
        "empty-job": _at(0, ""),
        "long-job": _at(0, "j" * 129),
        "job-null": _at(0, None),
        "params-7": lambda params: params[:7],
        "params-0": lambda _: [],
        "all-numbers": lambda _: list(range(9)),
    }
)
"""What a client must not mine: by name, how the parameters of a good notify are spoiled."""

ODD: Mapping[str, Callable[[Params], Params]] = MappingProxyType(
    {
        "good": lambda params: params,
        "8params": lambda params: params[:8],
        "10params": lambda params: [*params[:8], "extra", params[8]],
        "version-short": lambda params: params,
        "job-int": _map(0, int),
        "clean-int": _at(8, 1),
        "upper-case": lambda params: [
            text.upper() if 1 <= at <= 3 and isinstance(text, str) else text
            for at, text in enumerate(params)
        ],
    }
)
"""What a client must mine although it looks unusual."""

KINDS = (*WRONG, *ODD)


def template_for(kind: str, template: Template, serial: int) -> Template:
    """Return ``template`` as the odd job ``kind`` needs it; ``serial`` is new each time."""
    match kind:
        case "version-short":
            return replace(template, version=4)
        case "job-int":
            return replace(template, job_id=str(9_000_000 + serial))
        case _:
            return template
