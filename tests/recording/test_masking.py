"""Nothing secret gets into a recording, however it is written and wherever a stream is cut."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stratum_client.recording.entries import Entry, Rim, What, line_of
from stratum_client.recording.masked_entries import MaskedEntries
from stratum_client.recording.masking import Masker
from stratum_client.recording.reader import runs_in

PASSWORD = 'corr"ect/horse\\battéry'
USER = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig-seventeen"
PRINTABLE = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=("L", "N", "P", "S")),
    min_size=8,
    max_size=24,
)


def escaped(text: str, choices: list[int]) -> str:
    """Write ``text`` inside a JSON string, each character in one of the ways there are."""
    written = ""
    for index, character in enumerate(text):
        match choices[index % len(choices)] if choices else 0:
            case 1:
                written += "".join(f"\\u{unit:04x}" for unit in utf16(character))
            case 2:
                written += "".join(f"\\u{unit:04X}" for unit in utf16(character))
            case _:
                written += json.dumps(character, ensure_ascii=False)[1:-1]
    return written


def utf16(character: str) -> list[int]:
    data = character.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def texts_in(value: object) -> list[str]:
    match value:
        case dict():
            return [text for pair in value.items() for text in texts_in(list(pair))]
        case list():
            return [text for one in value for text in texts_in(one)]
        case str():
            return [value]
    return []


def masked_stream(masker: Masker, data: bytes, cuts: list[int]) -> bytes:
    """Return what is written of ``data`` that comes in chunks."""
    masking = MaskedEntries(masker)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    chunks = [data[a:b] for a, b in pairwise(places)]
    entries = [entry for chunk in chunks for entry in masking(heard(What.IN, chunk))]
    entries += masking(heard(What.LOST, b""))
    return b"".join(entry.data for entry in entries)


def heard(what: What, data: bytes) -> Entry:
    return Entry(at=0.0, rim=Rim.POOL, what=what, name="pool", data=data)


@example(password="¡" * 8, choices=[], cuts=[72], quoted_again=False)
@example(password=r"0000\000", choices=[1, 0], cuts=[72], quoted_again=False)
@example(password=r"000\0000", choices=[0, 1, 0], cuts=[72], quoted_again=False)
@given(
    password=PRINTABLE,
    choices=st.lists(st.integers(0, 2), max_size=8),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    quoted_again=st.booleans(),
)
def test_no_spelling_of_a_password_survives_in_any_cut_of_a_stream(
    password: str, choices: list[int], cuts: list[int], *, quoted_again: bool
) -> None:
    inside = escaped(password, choices)
    if quoted_again:  # JSON in JSON
        inside = json.dumps(inside, ensure_ascii=False)[1:-1]
    data = f'{{"id":null,"method":"client.show_message","params":["hi {inside} you"]}}\n'
    masker = Masker(salt=b"")
    masker.add_passwords([password])

    written = masked_stream(masker, data.encode(), cuts)

    for text in texts_in(json.loads(written)):
        once = json.loads(f'"{text}"') if quoted_again else text
        assert password not in once


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=10))
def test_a_stream_without_secrets_is_written_as_it_came(data: bytes, cuts: list[int]) -> None:
    masker = Masker(salt=b"")
    masker.add_passwords(["zzzzzzzzzzzzzzzz"])

    assert masked_stream(masker, data, cuts) == data.replace(b"zzzzzzzzzzzzzzzz", b"***")


def test_chunks_stay_as_they_were_cut_unless_a_secret_may_begin_at_the_end() -> None:
    masker = Masker(salt=b"")
    masker.add_passwords(["sesame-open"])
    masking = MaskedEntries(masker)

    chunks = [b'{"id":1,', b'"x":"sesa', b"me-ope", b'n"}\n', b"next\n"]
    written = [[entry.data for entry in masking(heard(What.IN, chunk))] for chunk in chunks]

    assert written == [[b'{"id":1,'], [b'"x":"'], [], [b'***"}\n'], [b"next\n"]]


@pytest.mark.parametrize("before", ["", '{"id":1,"method":"mining.subscribe","params":[]}\n'])
def test_whoever_logs_in_is_learnt_from_what_we_send(before: str) -> None:
    masking = MaskedEntries(Masker(salt=b"salt"))
    line = json.dumps({"id": 3, "method": "mining.authorize", "params": [USER, PASSWORD]})

    [sent] = masking(heard(What.OUT, f"{before}{line}\n".encode()))
    [answer] = masking(heard(What.IN, f'{{"id":3,"error":"who is {USER}?"}}\n'.encode()))

    user, password = json.loads(sent.data.splitlines()[-1])["params"]
    assert password == "***"
    assert json.loads(answer.data)["error"] == f"who is {user}?"


def test_a_user_keeps_length_and_form_and_differs_from_recording_to_recording() -> None:
    first, again, other = (Masker(salt=salt).user(USER) for salt in (b"1", b"1", b"2"))

    assert first == again != other
    assert len(first) == len(USER)
    assert re.fullmatch(r"bc1q[a-z0-9]{38}\.[a-z]{3}-[a-z]{9}", first)
    for part in USER.removeprefix("bc1q").split("."):
        assert part not in first


@pytest.mark.parametrize("user", ["a", "ab.c", "1", "x.y", "mining"])
def test_a_short_name_costs_no_other_part_of_a_line(user: str) -> None:
    masker = Masker(salt=b"")
    masker.add_user(user)
    line = b'{"id":1,"method":"mining.submit","params":["%s","ab12","a1"]}' % user.encode()

    masked = json.loads(masker.masked(line))

    assert masked["method"] == "mining.submit"
    assert masked["params"] == [masker.user(user), "ab12", "a1"]
    assert masked["params"][0] != user


def test_logins_in_addresses_are_hidden_whoever_wrote_them() -> None:
    masking = MaskedEntries(Masker(salt=b""))
    fields = {"error": "proxy socks5://me:secret@[::1]:9050 refused"}

    [entry] = masking(Entry(at=0.0, rim=Rim.LOG, what=What.LOGGED, name="pool", fields=fields))

    assert entry.text("error") == "proxy socks5://***@[::1]:9050 refused"
    assert b"secret" not in line_of(entry)


def test_public_passwords_stay() -> None:
    masker = Masker(salt=b"")
    masker.add_passwords(["x", ""])

    assert masker.masked(b'"params":["user","x"]') == b'"params":["user","x"]'


HEADER = b'{"recording":1,"program":"p","wall":1.0,"monotonic":2.0,"config":{}}\n'


def test_bytes_that_are_no_text_are_written_as_digits_and_read_back() -> None:
    entry = heard(What.IN, b"\xff\x00not text")
    port = Entry(at=1.5, rim=Rim.PORT, what=What.OUT, name="dev", data=b"ab", fields={"place": 1})

    [run] = runs_in(HEADER + line_of(entry) + line_of(port), name="test")

    assert b'"hex":"ff006e6f742074657874"' in line_of(entry)
    assert b'"hex":"6162"' in line_of(port)
    assert list(run.entries) == [entry, port]
