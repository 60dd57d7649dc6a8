"""Addresses with a token in them: used as they are, and shown nowhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.cli import main
from stratum_client.config import Config
from stratum_client.config_diff import difference
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError
from stratum_client.http_url import parse_http_url, place_of, secrets_in
from stratum_client.log_fields import Scrubber
from stratum_client.recording.masking import Masker
from stratum_client.recording.recorded_config import recorded_config

TOKEN = "Zq7fQ2xL9vB4nW8s"
PAGE = f"https://prices.example/v1/%Y-%m-%d.json?apikey={TOKEN}&zone=FI"
PLUG = f"http://192.168.1.60/{TOKEN}/state?pin=4711-x"
TEXT = f"""
[[pool]]
url = "a:1"
user = "a"
[price]
source = "http"
url = "{PAGE}"
stop_above = 0.25
[power]
meter = {{ source = "http", url = "{PLUG}", path = "a" }}
"""


def config_of(text: str = TEXT, directory: Path = Path(), **environ: str) -> Config:
    return read_config(text.encode(), name="c.toml", environ=environ, directory=directory)


def test_an_address_is_used_as_it_is_written() -> None:
    config = config_of()

    assert config.power.meter
    assert (config.price.url, config.power.meter.url) == (PAGE, PLUG)


def test_it_may_stand_in_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{PAGE}\n")
    by_file = TEXT.replace(f'url = "{PAGE}"', 'url_file = "url"')
    by_variable = TEXT.replace(f'url = "{PAGE}"', 'url_env = "PRICES"')

    assert config_of(by_file, tmp_path).price.url == PAGE
    assert config_of(by_variable, PRICES=PAGE).price.url == PAGE
    with pytest.raises(ConfigError, match="not shown") as caught:
        config_of(by_variable, PRICES=f"ftp://{TOKEN}")
    assert TOKEN not in str(caught.value)


def test_it_is_in_no_log_no_representation_no_recording_and_no_difference() -> None:
    config = config_of()
    scrubber = Scrubber(config.secrets)

    said = (
        scrubber.text(f"404: no {PAGE}"),
        scrubber.text(f"no such token: {TOKEN}"),
        scrubber.text(f"GET /{TOKEN}/state"),
        repr(config),
        json.dumps(recorded_config(config, Masker(salt=b""))),
        *(str(change) for change in difference(Config(), config)),
    )

    assert all(TOKEN not in text for text in said)
    assert scrubber.text("192.168.1.60 and prices.example answer 404") == (
        "192.168.1.60 and prices.example answer 404"
    )
    assert "power.meter" in " ".join(said)


Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    def run(text: str, *words: str) -> tuple[int, str, str]:
        file = tmp_path / "c.toml"
        file.write_text(text)
        file.chmod(0o600)
        code = main(["config", *words, str(file)])
        return code, *capsys.readouterr()

    return run


def test_config_show_says_where_it_is_and_not_what_is_asked_for(told: Told) -> None:
    code, out, err = told(TEXT, "show", "--all", "--config")
    found: Any = json.loads(told(TEXT, "show", "--json", "--config")[1])["settings"]

    assert code == 0
    assert TOKEN not in out + err + json.dumps(found)
    assert found["price.url"]["value"] == '"https://prices.example/(not shown)"'
    assert found["power.meter.url"]["value"] == '"http://192.168.1.60/(not shown)"'
    assert found["mqtt.password"]["value"] == "not set"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("https://prices", "ftp://prices", "price.url: expected the address of a page"),
        ("192.168.1.60", "u:p@192.168.1.60", "power.meter.url: user and password go into keys"),
        ("v1/", "v1/#", "price.url: expected"),
    ],
)
def test_config_check_tells_one_error_and_repeats_no_address(
    told: Told, old: str, new: str, problem: str
) -> None:
    code, out, err = told(TEXT.replace(old, new), "check")

    assert code == 2
    [error, count] = out.splitlines()
    assert problem in error
    assert count.startswith("1 error")
    assert TOKEN not in out + err


def test_a_token_in_a_file_that_anybody_may_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(TEXT)
    file.chmod(0o644)

    assert main(["config", "check", str(file)]) == 0
    assert "anybody may read it: chmod 640 it" in capsys.readouterr().out
    file.write_text(TEXT.replace(TOKEN, "all").replace("pin", "id"))
    assert main(["config", "check", str(file)]) == 0
    assert "anybody" not in capsys.readouterr().out, "there is no token in it"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://plug", "http://plug"),
        ("http://plug:8080/", "http://plug:8080"),
        ("http://[::1]/cm?cmnd=x", "http://[::1]/(not shown)"),
        ("https://a.example/data", "https://a.example/(not shown)"),
    ],
)
def test_what_is_shown_of_an_address_is_its_place(url: str, shown: str) -> None:
    assert place_of(url) == shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://a/rpc/Switch.GetStatus", set()),
        ("http://a/s?id=0&zone=FI", set()),
        ("http://a/?token=a%20b%26c", {"/?token=a%20b%26c", "a b&c", "a%20b%26c"}),
        ("http://a/x?zone=FI&sig=1234", {"/x?zone=FI&sig=1234", "1234"}),
        ("http://a/deadbeef01234567/x", {"deadbeef01234567"}),
    ],
)
def test_what_is_kept_out_of_logs(url: str, words: set[str]) -> None:
    assert set(secrets_in(url)) == words


@given(st.text(alphabet="htps:/?#[]@&=%a1.-", max_size=60))
def test_any_text_is_an_address_or_an_error_without_it(text: str) -> None:
    url, problem = "", ""
    try:
        url = parse_http_url(text)
    except ValueError as error:
        problem = str(error)

    assert url in {"", text}
    assert problem in {"", "user and password go into keys of their own, not into the address"}
    if url:
        assert place_of(url).startswith(("http://", "https://"))
        assert all(secrets_in(url))
