import json
import string
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.bitcoin_address import AddressError, check_payout_user, script_of

# Each with its source: test vectors of BIP 350 and of Bitcoin Core.
VECTORS = json.loads((Path(__file__).parent / "vectors" / "bitcoin-addresses.json").read_text())
VALID = {vector["address"]: bytes.fromhex(vector["script"]) for vector in VECTORS["valid"]}
INVALID = [vector["address"] for vector in VECTORS["invalid"]]

# What pays a miner: each form once on each network.
PAYABLE = [
    address
    for address, script in VALID.items()
    if len(script) in {22, 23, 25, 34} and script[:1] in {b"\0", b"\x51", b"\x76", b"\xa9"}
]

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(payload: bytes) -> str:
    data = payload + sha256(sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


@pytest.mark.parametrize("address", VALID)
def test_an_address_stands_for_its_script(address: str) -> None:
    assert script_of(address) == VALID[address]


@pytest.mark.parametrize("address", [a for a in VALID if "1" in a[:5] and a.lower() == a])
def test_a_segwit_address_may_be_all_capitals(address: str) -> None:
    assert script_of(address.upper()) == VALID[address]


@pytest.mark.parametrize("address", INVALID)
def test_invalid_addresses_have_no_script(address: str) -> None:
    with pytest.raises(AddressError):
        script_of(address)


# The first three are of BIP 350, invalid for their kind of checksum; the next two are Litecoin's.
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
            "version 1 takes Bech32m",
        ),
        (
            "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
            "version 2 takes Bech32m",
        ),
        (
            "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
            "version 0 takes Bech32",
        ),
        ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", 'another chain: it begins with "ltc1"'),
        ("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "its version is 30"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "wrong checksum"),
        ("bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "mixes small and capital"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp", "wrong checksum"),
        ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2m0", 'character 34, "0"'),
    ],
)
def test_an_invalid_address_is_told_why(address: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        script_of(address)


@given(st.binary(min_size=20, max_size=20), st.sampled_from([0x00, 0x6F]))
def test_a_key_hash_survives_base58(digest: bytes, version: int) -> None:
    script = script_of(base58check(bytes([version]) + digest))

    assert script == bytes.fromhex("76a914") + digest + bytes.fromhex("88ac")


@given(st.text(max_size=120) | st.text("bc1qpzry9x8gf2tvdw0s3jn54khce6mua7l", max_size=95))
def test_any_text_has_a_script_or_the_documented_error(text: str) -> None:
    try:
        script = script_of(text)
    except AddressError:
        return
    assert 4 <= len(script) <= 42


@pytest.mark.parametrize("address", VALID)
@pytest.mark.parametrize("suffix", ["", ".rig1", "_rig1", "~100", "+512", ".a.b"])
def test_a_valid_address_passes_with_whatever_names_the_worker(address: str, suffix: str) -> None:
    check_payout_user(address + suffix)


@pytest.mark.parametrize(
    "user",
    [
        *("1337miner", "bc1fan", "3dprinter.rig1", "mainuser_1", "bob", "", ".", "x.y", "tb1.rig"),
        *("1miner", "3", "nightshift", "m", "2fast4you", "bc1q", "bc1qpool", "bcrt1", "BC1FAN"),
        *("mysuperlongminingaccountname2024", "mySuperLongMiningAccountName2024.rig1"),
        *(
            "3DPrinterFarmGermany2024xxxxx",
            "1stMiningCompanyOfKazakhstan",
            "bc1fanclubminersunited",
        ),
        *("12345678901234567890123456789012", "someone@mail.example", "M\u00fcller.rig"),
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
        "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a",
    ],
)
def test_account_names_pass(user: str) -> None:
    check_payout_user(user)


@pytest.mark.parametrize("address", [a for a in PAYABLE if a.startswith(("bc1", "tb1", "bcrt1"))])
def test_a_truncated_or_mixed_case_segwit_address_is_refused(address: str) -> None:
    for length in (20, 30, len(address) - 2, len(address) - 1):
        with pytest.raises(AddressError, match="copy it again"):
            check_payout_user(address[:length] + ".rig")
    for flipped in (address[:20].upper() + address[20:], address[:5] + address[5:].upper()):
        with pytest.raises(AddressError, match="mixes small and capital letters"):
            check_payout_user(flipped)


@pytest.mark.parametrize("address", [a for a in PAYABLE if a[0] in "13mn2"])
@pytest.mark.parametrize("cut", [slice(1), slice(1, None), slice(-1)])
def test_a_legacy_address_without_its_first_or_last_character_is_refused(
    address: str, cut: slice
) -> None:
    if address[cut] == address[0]:
        return
    with pytest.raises(AddressError, match="may be missing"):
        check_payout_user(address[cut])


ADDRESSES = st.sampled_from(PAYABLE) | st.builds(
    lambda digest, version: base58check(bytes([version]) + digest),
    st.binary(min_size=20, max_size=20).filter(any),
    st.sampled_from([0x00, 0x05, 0x6F, 0xC4]),
)


@settings(deadline=None, max_examples=60)
@given(ADDRESSES, st.data())
def test_one_substituted_character_is_refused(address: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(address) - 1))
    typed = data.draw(st.sampled_from(string.ascii_letters + string.digits))
    if typed == address[at]:
        return

    with pytest.raises(AddressError, match="looks like a Bitcoin address"):
        check_payout_user(f"{address[:at]}{typed}{address[at + 1 :]}.rig1")


@settings(deadline=None, max_examples=40)
@given(ADDRESSES, st.data())
def test_two_neighbours_in_the_wrong_order_are_refused(address: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(address) - 2))
    left, right = address[at], address[at + 1]
    if left == right:
        return

    with pytest.raises(AddressError, match="looks like a Bitcoin address"):
        check_payout_user(f"{address[:at]}{right}{left}{address[at + 2 :]}_rig1")


@settings(deadline=None, max_examples=40)
@given(ADDRESSES, st.data())
def test_one_lost_or_added_character_is_refused(address: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(address) - 1))
    added = data.draw(st.sampled_from("qpzab17Q"))

    for typed in (address[:at] + address[at + 1 :], address[:at] + added + address[at:]):
        with pytest.raises(AddressError, match="looks like a Bitcoin address"):
            check_payout_user(typed)


def test_the_error_says_where_to_look_and_not_what_it_should_be() -> None:
    address = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
    typed = address[:16] + "x" + address[17:]

    with pytest.raises(AddressError, match='check character 17, "x"') as caught:
        check_payout_user(typed + ".rig1")

    assert address not in str(caught.value)
