"""`config show`: what is in force, and where it came from; never a secret."""

import json
from pathlib import Path

import pytest

from stratum_client.cli import main
from tests.test_config_example import EXAMPLE

TEXT = """\
[rig]
name = "c04"
[deadlines]
connect = "5s"
[network]
proxy = "socks5://tor-user:hunter3@proxy.example:1080"
[[pool]]
url = "stratum+tcp://a.example:3333"
user = "account.{rig}"
password = "hunter2"
[[pool]]
url = "stratum+ssl://b.example:3334"
user = "account"
password_file = "secret"
tls = { verify = "pin", pin_sha256 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=" }
deadlines = { tls = "7s" }
[[device]]
driver = "cpu"
settings = { threads = 2 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("hunter4\n")
    (tmp_path / "f").write_text(TEXT)
    return tmp_path / "f"


def shown(capsys: pytest.CaptureFixture[str], file: Path, *more: str) -> dict[str, tuple[str, str]]:
    assert main(["config", "show", "--config", str(file), "--json", *more]) == 0
    said = capsys.readouterr().out.replace(f"{file}:", "line ")
    assert "hunter" not in said
    settings = json.loads(said)["settings"]
    return {name: (one["value"], one["from"]) for name, one in settings.items()}


def test_each_setting_comes_with_its_value_and_its_line(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SC_LOG_LEVEL", "debug")

    rows = shown(capsys, file)

    assert rows["rig.name"] == ('"c04"', "line 2")
    assert rows["log.level"] == ('"debug"', "environment variable SC_LOG_LEVEL")
    assert rows["deadlines.connect"] == ('"5s"', "line 4")
    assert rows["pool[1].user"] == ('"account.c04"', "line 9")
    assert rows["pool[1].name"] == ('"a.example"', "default")
    assert rows["pool[2].deadlines.tls"] == ('"7s"', "line 16")
    assert rows["pool[2].deadlines.connect"] == ('"5s"', "line 4")
    assert rows["device[1].settings.threads"] == ("2", "line 19")
    assert rows["work.failback_after"] == ('"5m"', "default")
    assert rows["state_dir"] == ("not set", "default")
    assert "pool[1].deadlines.tls" not in rows


def test_secrets_are_masked_wherever_they_come_from(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = shown(capsys, file)

    assert rows["network.proxy"] == ("(not shown)", "line 6")
    assert rows["pool[1].password"] == ("(not shown)", "line 10")
    assert rows["pool[2].password"] == ("(not shown)", "line 14")

    monkeypatch.setenv("SC_POOL_1_PASSWORD", "hunter5")
    rows = shown(capsys, file)
    assert rows["pool[1].password"][1] == "environment variable SC_POOL_1_PASSWORD"


def test_pools_of_the_command_line_take_the_place_of_the_files(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = shown(capsys, file, "--pool", "c.example:1", "--user", "x", "--password", "hunter6")

    assert rows["pool[1].url"] == ('"stratum+tcp://c.example:1"', "command line")
    assert rows["pool[1].password"] == ("(not shown)", "command line")
    assert "pool[2].url" not in rows
    assert rows["device[1].driver"] == ('"cpu"', "line 18")


def test_what_everybody_sends_as_password_is_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = shown(capsys, EXAMPLE)

    assert rows["pool[1].password"][0] == '"x"'
    assert rows["ledger.max_size"][0] == '"256MB"'


def test_people_see_what_differs_from_the_defaults_and_with_all_everything(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["config", "show", "--config", str(file)])
    short = capsys.readouterr().out
    main(["config", "show", "--config", str(file), "--all"])
    everything = capsys.readouterr().out

    assert "# default" not in short
    assert f"# {file}:2" in short
    assert everything.count("# default") > 60
