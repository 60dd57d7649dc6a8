"""Scripts shown as addresses, against the vectors of BIP 350 and Bitcoin Core."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.bitcoin_address import script_of
from stratum_client.payee import MAIN, REGTEST, TEST, address_of, network_of
from tests.test_bitcoin_address import VALID


@pytest.mark.parametrize("address", VALID)
def test_a_script_is_shown_as_the_address_it_came_from(address: str) -> None:
    shown = address_of(VALID[address], network_of(address))

    assert shown == (
        address.lower() if address.lower().startswith(("bc1", "tb1", "bcrt1")) else address
    )


@given(
    st.sampled_from([MAIN, TEST, REGTEST]), st.integers(0, 16), st.binary(min_size=2, max_size=40)
)
def test_every_witness_program_survives_the_way_there_and_back(
    network: object, version: int, program: bytes
) -> None:
    assert isinstance(network, type(MAIN))
    program = program[:20].ljust(20, b"x") if version == 0 else program
    script = bytes((version + 0x50 if version else 0, len(program))) + program

    assert script_of(address_of(script, network)) == script


@given(st.binary(max_size=60))
def test_any_script_has_an_address_that_leads_back_or_none(script: bytes) -> None:
    address = address_of(script)

    assert not address or script_of(address) == script
