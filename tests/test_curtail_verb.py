"""What `curtail` refuses before it asks anybody, and the orders that `curtail order` signs."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stratum_client import cli
from stratum_client.control.order_keys import Verify, ed25519_verifier
from stratum_client.control.order_message import Action, Key, order_in
from tests.control.signed_orders import KEYS, SECRET

TO = ("--site", "kent", "--to", "group/hall-4")


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return str(path)


def usage_error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(("curtail", *words))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "one of --idle, --power and --percent says what is ordered"),
        (("--power", "400"), '"400" is no power, as in 400W or 1.2kW'),
        (("--power", "101%"), '"101%" is no number from 0 to 100'),
        (("--power", "20MW"), '"20MW" is more than 10MW'),
        (("--percent", "101"), '"101" is no number from 0 to 100'),
        (("--percent", "half"), '"half" is no number from 0 to 100'),
        (("--percent", "nan"), '"nan" is no number from 0 to 100'),
        (("--idle", "--power", "4W"), "not allowed with argument"),
        (("--idle", "--for", "2h", "--until", "18:00"), "not allowed with argument"),
        (("order", "--key", "a", "--idle"), "required"),
    ],
)
def test_what_makes_no_order_is_a_wrong_argument(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert says in usage_error(capsys, *words)


def test_a_power_may_be_a_share_and_no_power_is_rest(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    words = ("curtail", "order", "--key", "grid", "--secret-file", secret, *TO)
    for power, action, value in (
        ("50%", Action.PERCENT, 50.0),
        ("0.4kW", Action.WATTS, 400.0),
        ("0W", Action.IDLE, None),
        ("0%", Action.IDLE, None),
    ):
        assert cli.main((*words, "--power", power)) == 0
        order = order_in(capsys.readouterr().out.encode(), KEYS)
        assert (order.action, order.value) == (action, value)


def test_an_order_is_signed_by_a_shared_secret(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    words = ("curtail", "order", "--key", "grid", "--secret-file", secret, *TO)
    assert cli.main((*words, "--power", "1.2kW", "--for", "2h", "--number", "7")) == 0

    order = order_in(capsys.readouterr().out.encode(), KEYS)
    assert (order.number, order.target, order.action) == (7, "group/hall-4", Action.WATTS)
    assert order.value == 1200.0
    assert order.expires == pytest.approx(order.issued + 7200, abs=0.01)


def test_numbers_of_orders_rise_by_themselves(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    words = ("curtail", "order", "--key", "grid", "--secret-file", secret, *TO)
    assert cli.main((*words, "--release", "--until", "2999-01-01T00:00Z")) == 0

    order = order_in(capsys.readouterr().out.encode(), KEYS)
    assert order.number == pytest.approx(order.issued * 1000, abs=1)
    assert order.expires == 32472144000.0


def test_an_order_is_signed_by_a_private_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    private = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public = private.public_key().public_bytes_raw()

    words = ("curtail", "order", "--key", "op", "--private-key", str(tmp_path / "key.pem"), *TO)
    assert cli.main((*words, "--percent", "50%")) == 0

    verify: Verify = ed25519_verifier(public)
    order = order_in(capsys.readouterr().out.encode(), {"op": Key(name="op", verify=verify)})
    assert (order.action, order.value) == (Action.PERCENT, 50.0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--key", "a key", "--secret-file", "{secret}"), "a key's name is made of letters"),
        (("--key", "grid", "--secret-file", "/nowhere"), "cannot read /nowhere"),
        (("--key", "grid", "--private-key", "{secret}"), "curtail order: "),
        (("--key", "grid", "--secret-file", "{secret}", "--number", "-1"), '"number" is no whole'),
    ],
)
def test_an_order_that_cannot_be_signed_is_not_written(
    capsys: pytest.CaptureFixture[str], secret: str, words: tuple[str, ...], says: str
) -> None:
    filled = [word.replace("{secret}", secret) for word in words]

    assert cli.main(("curtail", "order", *filled, *TO, "--idle")) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert SECRET.decode() not in err


def test_an_order_is_json_on_its_first_line(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    words = ("curtail", "order", "--key", "grid", "--secret-file", secret, *TO, "--idle")
    assert cli.main((*words, "--reason", "Frequenz fällt")) == 0

    fields = json.loads(capsys.readouterr().out.splitlines()[0])
    assert fields["reason"] == "Frequenz fällt"
    assert fields["expires"] is None
