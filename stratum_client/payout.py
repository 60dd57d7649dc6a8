"""Whether a job's coinbase pays whom it should, and all that it could; pure.

What this cannot see: a pool that pays its miners later, from a wallet, has none of their addresses
in its coinbase.

Source: Bitcoin Core's GetBlockSubsidy, and its chainparams.cpp for the halving intervals.
"""

from fractions import Fraction

from stratum_client.bitcoin_address import script_of
from stratum_client.coinbase import Coinbase
from stratum_client.config import PayoutConfig
from stratum_client.payee import REGTEST, address_of, network_of

COIN = 100_000_000
_FIRST_SUBSIDY = 50 * COIN
_HALVING, _REGTEST_HALVING = 210_000, 150
_EASIEST_SIGNET = 0x0377AE << 8 * (0x1E - 3)
"""The easiest target of any network but regtest; both share the form of their older addresses."""


class PayoutCheck:
    """What each coinbase of a pool must pay."""

    def __init__(self, config: PayoutConfig) -> None:
        self.leaves = config.on_mismatch == "leave"
        self._address = config.address
        self._script = script_of(config.address)
        self._network = network_of(config.address)
        self._least = Fraction(str(config.min_percent))

    def problem_with(self, coinbase: Coinbase, network_target: int) -> str:
        """Return what is wrong with the outputs, in words; "" if nothing is."""
        own = sum(output.value for output in coinbase.outputs if output.script == self._script)
        total = coinbase.value
        if not own:
            return f"no output of the coinbase pays {self._address}; {self._most_to(coinbase)}"
        if 100 * own < self._least * total:
            percent = f"{100 * own / total:.4f}".rstrip("0").rstrip(".")
            return f"the coinbase pays {percent} % to {self._address}, not {_shown(self._least)} %"
        if coinbase.height is None:
            return "the coinbase names no height, so that what it should pay is not known"
        due = self._subsidy(coinbase.height, network_target)
        if total < due:
            return (
                f"the coinbase pays {_coins(total)} in all, where block {coinbase.height} brings"
                f" {_coins(due)} without any fees"
            )
        return ""

    def _most_to(self, coinbase: Coinbase) -> str:
        if not coinbase.value:
            return "nobody is paid"
        most = max(coinbase.outputs, key=lambda output: output.value)
        payee = address_of(most.script, self._network) or "a script without an address"
        return f"{_coins(most.value)} of {_coins(coinbase.value)} go to {payee}"

    def _subsidy(self, height: int, network_target: int) -> int:
        is_old_test_form = self._network.prefix == "tb" and not self._address.startswith("tb1")
        on_regtest = self._network is REGTEST or (
            is_old_test_form and network_target > _EASIEST_SIGNET
        )
        return subsidy(height, _REGTEST_HALVING if on_regtest else _HALVING)


def subsidy(height: int, halving: int = _HALVING) -> int:
    """Return what the block at ``height`` creates, in satoshi."""
    halvings = height // halving
    return _FIRST_SUBSIDY >> halvings if halvings < 64 else 0


def _coins(satoshi: int) -> str:
    return f"{satoshi / COIN:.8f} BTC"


def _shown(percent: Fraction) -> str:
    return f"{float(percent):g}"
