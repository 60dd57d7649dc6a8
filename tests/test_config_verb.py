"""`config init`, `config check` and `config explain`."""

import builtins
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stratum_client.cli import main
from stratum_client.config_explain import explanations, matching
from stratum_client.config_explain_text import table_lines
from stratum_client.config_file import load_config
from stratum_client.config_problems import findings_in
from stratum_client.config_template import config_without_pool, first_config
from stratum_client.example_words import example_text
from tests.test_config_example import EXAMPLE

POOL = ("--pool", "stratum+tcp://pool.example:3333", "--user", "account.{rig}")


def found_in(text: str) -> tuple[list[str], list[str]]:
    found = findings_in(text.encode(), name="f", environ={}, directory=Path("/nowhere"))
    return [error.partition(": ")[0] for error in found.errors], list(found.warnings)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# --- init ---


def test_init_writes_a_working_file_that_others_cannot_read_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "deep/stratum-client.toml"

    assert main(["config", "init", *POOL, "--output", str(path)]) == 0
    assert path.stat().st_mode & 0o7777 == 0o640
    [pool] = load_config(path, {"SC_RIG_NAME": "r1"}).pools
    assert (str(pool.url), pool.user) == ("stratum+tcp://pool.example:3333", "account.r1")

    path.write_text("precious")
    assert main(["config", "init", *POOL, "--output", str(path)]) == 1
    assert path.read_text() == "precious"
    assert main(["config", "init", *POOL, "--output", str(path), "--force"]) == 0
    assert load_config(path, {}).pools
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_by_default_a_user_gets_his_own_file_where_run_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert main(["config", "init", *POOL]) == 0
    assert (tmp_path / "stratum-client/stratum-client.toml").exists()


def test_without_a_terminal_init_asks_nobody(tmp_path: Path) -> None:
    assert main(["config", "init", "--output", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


def test_on_a_terminal_init_asks_until_the_answers_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["http://x", "account", "pool.example:3333"]
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(builtins, "input", lambda prompt: answers.pop(0))

    assert main(["config", "init", "--output", str(tmp_path / "x")]) == 0
    assert answers == []
    assert "a pool address looks like" in capsys.readouterr().err
    assert load_config(tmp_path / "x", {}).pools[0].user == "account"


def test_an_address_that_cannot_be_is_never_written(tmp_path: Path) -> None:
    # The address of BIP 173 with its last character changed.
    wrong = ("--user", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "--pool", "a.example:1")

    assert main(["config", "init", *wrong, "--output", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


@example("{rig}")
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.isprintable))
def test_whatever_the_user_is_called_the_file_says_so(user: str) -> None:
    text = first_config(url="a.example:1", user=user)
    [line] = [n for n, line in enumerate(text.split("\n"), 1) if line.startswith("user = ")]

    found = findings_in(text.encode(), name="f", environ={}, directory=Path("/nowhere"))

    assert all(error.startswith(f"f:{line}: pool[1].user: ") for error in found.errors)
    if not found.errors:
        assert found.config
        assert found.config.pools[0].user == user.replace("{rig}", found.config.rig.name)


def test_the_file_to_be_filled_in_is_right_and_has_no_pool() -> None:
    errors, [warning] = found_in(config_without_pool())

    assert errors == []
    assert "no [[pool]]" in warning
    filled = config_without_pool()
    for line in ("[[pool]]", "url = ", "user = "):
        filled = filled.replace(f"\n#{line}", f"\n{line}", 1)
    assert found_in(filled) == ([], [])


# --- check ---


WRONG = """\
schema = 2
[log]
levle = "info"
level = "loud"
[work]
failback_after = "soon"
[[pool]]
user = "a.b"
quota = -1
[[pool]]
url = "stratum+tcp://x.example:3333"
user = "{nobody}"
[deadlines]
silence = "20m"
[[device]]
name = "x"
[[device]]
driver = "cpu"
name = "y"
settings = { thraeds = 2 }
"""


def test_check_tells_every_error_with_its_line_in_order() -> None:
    errors, _ = found_in(WRONG)

    assert errors == [f"f:{line}" for line in (1, 3, 4, 6, 7, 9, 12, 13, 15, 20)]


@pytest.mark.parametrize("text", ["[pool", "\x00", "pool = 3\n", '[[pool]]\nurl = ["x"]\n'])
def test_what_cannot_be_read_on_ends_the_search_with_its_error(text: str) -> None:
    assert found_in(text)[0]


def test_the_exit_codes_of_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"good": first_config(url="a.example:1", user="b"), "bad": WRONG, "empty": "\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    codes = [main(["config", "check", str(tmp_path / name)]) for name in files]

    assert codes == [0, 2, 0]
    assert main(["config", "check", "--strict", str(tmp_path / "empty")]) == 1
    assert main(["config", "check", str(tmp_path / "nowhere")]) == 2
    said = capsys.readouterr().out
    assert f"ok       {tmp_path}/good" in said
    assert "10 errors in " in said
    assert "warning  " in said


def test_a_password_that_anybody_may_read_is_a_warning_and_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.write_text('[[pool]]\nurl = "a.example:1"\nuser = "b"\npassword = "hunter2"\n')
    path.chmod(0o644)

    assert main(["config", "check", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert "chmod 640" in json.loads(said)["warnings"][0]
    assert "hunter2" not in said


def test_the_example_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--strict", str(EXAMPLE)]) == 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_checking_ends_and_agrees_with_reading_whatever_is_cut_out(data: st.DataObject) -> None:
    lines = EXAMPLE.read_text().splitlines()
    wanted = data.draw(st.sets(st.sampled_from(range(len(lines))), max_size=30))
    text = "\n".join(line for number, line in enumerate(lines) if number not in wanted)

    found = findings_in(text.encode(), name="f", environ={}, directory=Path())

    assert bool(found.errors) == (found.config is None)


def test_check_takes_its_file_as_other_verbs_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    assert main(["config", "init", *POOL, "--output", str(path)]) == 0
    assert f"now: stratum-client run --config {path}" in capsys.readouterr().out

    assert main(["config", "check", "--config", str(path)]) == 0
    assert f"ok       {path}: 1 pool, with what is plugged in" in capsys.readouterr().out


# --- explain ---


def test_explain_shows_one_key_whole_and_several_in_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "explain", "work.failback_after"]) == 0
    whole = capsys.readouterr().out
    assert main(["config", "explain", "work"]) == 0
    rows = capsys.readouterr().out

    assert "must be well for so long before work goes back" in whole
    assert 'default   "5m"' in whole
    assert "SC_WORK_FAILBACK_AFTER" in whole
    assert len(rows.splitlines()) >= 8


def test_what_is_said_of_several_keys_together_is_shown_whole_and_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "explain", "power.inrush"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()

    assert "a random wait besides. Default: all start at once." in first
    assert len(rows) == 9
    assert rows[3].endswith("  not set       takes a whole number from 1 to 1000000")
    assert not any("[...]" in row for row in (first, *rows))


def test_rows_of_keys_fit_a_terminal() -> None:
    known = explanations(example_text())

    lines = list(table_lines(matching("work", known), 80))

    assert all(len(line) <= 80 for line in lines)
    told = " ".join(" ".join(lines).split())
    assert "must be well for so long before work goes back" in told


def test_explain_of_a_typo_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "work.failbackafter"]) == 2
    assert "did you mean work.failback_after" in capsys.readouterr().err


def test_explain_can_be_read_by_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "explain", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) > 100
