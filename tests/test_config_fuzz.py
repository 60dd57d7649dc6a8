"""No file, however broken, does anything but give settings or a ConfigError that helps."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import Config
from stratum_client.config_file import read_config
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import ANYTHING, FreeTable, Kind, Section, settings_of

REQUIRED = {
    "pool": {"url": '"a.example:1"', "user": '"alice"'},
    "device": {"driver": '"cpu"'},
    "window": {"hours": '"00:00-08:00"'},
    "calendar": {"file": '"holidays.ics"'},
    "tariff": {"price": "11.20", "currency": '"KZT"'},
}
REQUIRED_INSIDE = {
    "payout": {"address": '"1BoatSLRHtKNngkdXEeobR76b53LETtpyT"'},
    "meter": {"source": '"http"', "url": '"http://plug.example"'},
    "contact": {"file": '"/run/contact"'},
    "[key]": {"name": '"grid"', "secret": '"sixteen-or-more-characters"'},
}


def leaves(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Kind]]:
    """Yield the path of each key, as in a header, and its kind."""
    for key, (_, kind) in settings_of(cls).items():
        if isinstance(kind, Section):
            yield from leaves(kind.into, (*path, f"[{key}]" if kind.many else key))
        elif isinstance(kind, FreeTable):
            yield (*path, key, "some_key"), kind.each
        else:
            yield (*path, key), kind


def refusal_of(data: bytes, **environ: str) -> str:
    """Return the text of the documented error, "" if the settings are taken."""
    try:
        read_config(data, name="f.toml", environ=environ)
    except ConfigError as error:
        return str(error)
    return ""


LEAVES = [(path, kind) for path, kind in leaves(Config) if kind is not ANYTHING]


def document_with(path: tuple[str, ...], value: str) -> tuple[str, int, str]:
    """Return a document with ``value`` at ``path``, its line, and the name errors must give."""
    *sections, key = path
    lines = []
    if sections and sections[0].startswith("["):
        array = sections[0].strip("[]")
        required = REQUIRED[array]
        lines = [f"[[{array}]]", *(f"{k} = {v}" for k, v in required.items() if k != key)]
        if len(sections) > 1:
            lines.append(f"[{array}.{'.'.join(sections[1:])}]")
    elif sections:
        table = ".".join(part.strip("[]") for part in sections)
        lines = [f"[[{table}]]" if sections[-1].startswith("[") else f"[{table}]"]
    inside = REQUIRED_INSIDE.get(sections[-1], {}) if sections else {}
    lines += [f"{k} = {v}" for k, v in inside.items() if not key.startswith(k)]
    lines += ["# here it comes", f"{key} = {value}", ""]
    shown = [f"{s.strip('[]')}[1]" if s.startswith("[") else s for s in sections]
    return "\n".join(lines), len(lines) - 1, ".".join([*shown, key])


@pytest.mark.parametrize(("path", "kind"), LEAVES, ids=[".".join(path) for path, _ in LEAVES])
@pytest.mark.parametrize("wrong", ["1979-05-27", "[1, 2]", "{ a = 1 }", "07:32:00"])
def test_a_value_of_the_wrong_type_is_refused_with_its_key_and_line(
    path: tuple[str, ...], kind: Kind, wrong: str
) -> None:
    text, line, name = document_with(path, wrong)

    with pytest.raises(ConfigError) as caught:
        read_config(text.encode(), name="f.toml", environ={})

    assert str(caught.value).startswith(f"f.toml:{line}: {name}: ")
    assert kind.allowed in str(caught.value)


SCALARS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=12)
    | st.sampled_from(["auto", "on", "90s", "a:1", "1fffe000", "x" * 300, "\x1b[2J", "{rig}"])
)


def toml_of(value: object) -> str:
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def of_several(refusal: str) -> bool:
    """Return whether it complains of keys that do not fit each other."""
    phrases = ("shorter than", "is not TLS", "a plug of source", "needs ", "a key has ")
    return any(phrase in refusal for phrase in phrases)


@given(st.sampled_from(LEAVES), SCALARS)
def test_any_value_is_taken_or_refused_with_its_key_and_line(
    leaf: tuple[tuple[str, ...], Kind], value: object
) -> None:
    text, line, name = document_with(leaf[0], toml_of(value))

    refusal = refusal_of(text.encode())

    assert refusal.isprintable()
    assert not refusal or of_several(refusal) or refusal.startswith(f"f.toml:{line}: {name}: ")


@given(st.sampled_from(LEAVES), SCALARS.map(str))
def test_any_value_in_the_environment_is_taken_or_refused_by_name(
    leaf: tuple[tuple[str, ...], Kind], value: str
) -> None:
    words = [f"{part.strip('[]')}_1" if part.startswith("[") else part for part in leaf[0]]
    variable = f"SC_{'_'.join(words).upper()}"
    document = '[[pool]]\nurl = "a:1"\nuser = "u"\n[[device]]\ndriver = "cpu"\n'

    refusal = refusal_of(document.encode(), **{variable: value})

    assert refusal.isprintable()
    is_incomplete = refusal.startswith("environment: curtail.key[1]: name is missing")
    assert not refusal or "shorter than" in refusal or variable in refusal or is_incomplete


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_the_documented_error(data: bytes) -> None:
    assert refusal_of(data).isprintable()


KEYS = [*sorted({part.strip("[]") for path, _ in LEAVES for part in path}), "usr", "", "a.b"]
VALUES = st.recursive(
    SCALARS | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=5,
)


def nested_toml_of(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{toml_of(key)} = {nested_toml_of(inner)}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ",\n".join(map(nested_toml_of, value)) + "]"
    return toml_of(value) if isinstance(value, str | int | float) else str(value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["[pool]", "[device]", "pool", "pool.deadlines", "log", "rig", "x"]),
            st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4),
        ),
        max_size=4,
    ),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3),
)
def test_any_document_gives_settings_or_an_error_that_names_the_file(
    tables: list[tuple[str, dict[str, object]]], root: dict[str, object]
) -> None:
    text = "".join(f"{toml_of(key)} = {nested_toml_of(value)}\n" for key, value in root.items())
    for header, pairs in tables:
        text += f"[{header}]\n"
        text += "".join(f"{toml_of(k)} = {nested_toml_of(v)}\n" for k, v in pairs.items())

    refusal = refusal_of(text.encode())

    assert not refusal or refusal.startswith("f.toml:")
    assert refusal.isprintable()
