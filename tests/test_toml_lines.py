import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from stratum_client.toml_lines import KeyPath, lines_of

DOCUMENT = '''# a comment with [brackets] and key = 1
schema = 1

[rig]
name = "c04"          # behind a value
"quoted key" = 1
'it''s' = 2
a.b."c.d" = 3

[[pool]]
url = """
[not.a.header]
user = "no"
"""
user = 'x # no comment'

[pool.deadlines]
connect = 5
[[pool.mirrors]]
url = "m1"
[[pool.mirrors]]
url = "m2"

[[pool]]
user = "second"
since = 1979-05-27 07:32:00.999
match = { board = "b", deep = { x = [1, 2] } }
ports = [
  "a", # first
  { b = 1.5 },
]
[[pool]] # the third
"us\\u0065r" = """a""""
[log.levels]
pool = "debug"
'''.replace("'it''s'", "'its'")


def test_each_key_is_found_on_its_line() -> None:
    assert lines_of(DOCUMENT) == {
        ("schema",): 2,
        ("rig",): 4,
        ("rig", "name"): 5,
        ("rig", "quoted key"): 6,
        ("rig", "its"): 7,
        ("rig", "a"): 8,
        ("rig", "a", "b"): 8,
        ("rig", "a", "b", "c.d"): 8,
        ("pool",): 10,
        ("pool", 0): 10,
        ("pool", 0, "url"): 11,
        ("pool", 0, "user"): 15,
        ("pool", 0, "deadlines"): 17,
        ("pool", 0, "deadlines", "connect"): 18,
        ("pool", 0, "mirrors"): 19,
        ("pool", 0, "mirrors", 0): 19,
        ("pool", 0, "mirrors", 0, "url"): 20,
        ("pool", 0, "mirrors", 1): 21,
        ("pool", 0, "mirrors", 1, "url"): 22,
        ("pool", 1): 24,
        ("pool", 1, "user"): 25,
        ("pool", 1, "since"): 26,
        ("pool", 1, "match"): 27,
        ("pool", 1, "match", "board"): 27,
        ("pool", 1, "match", "deep"): 27,
        ("pool", 1, "match", "deep", "x"): 27,
        ("pool", 1, "match", "deep", "x", 0): 27,
        ("pool", 1, "match", "deep", "x", 1): 27,
        ("pool", 1, "ports"): 28,
        ("pool", 1, "ports", 0): 29,
        ("pool", 1, "ports", 1): 30,
        ("pool", 1, "ports", 1, "b"): 30,
        ("pool", 2): 32,
        ("pool", 2, "user"): 33,
        ("log",): 34,
        ("log", "levels"): 34,
        ("log", "levels", "pool"): 35,
    }


def test_every_key_that_tomllib_reads_has_a_line() -> None:
    assert set(paths_of(tomllib.loads(DOCUMENT))) <= set(lines_of(DOCUMENT))


def test_deep_values_are_stepped_over() -> None:
    nested = "[" * 60 + "]" * 60

    lines = lines_of(f"a = {nested}\nb = 1\n")

    assert lines[("b",)] == 2


def paths_of(value: object, path: KeyPath = ()) -> list[KeyPath]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        return [path]
    return [path, *(found for key, inner in pairs for found in paths_of(inner, (*path, key)))][
        0 if path else 1 :
    ]


KEYS = st.text(max_size=6)
VALUES = st.recursive(
    st.integers(-9, 9) | st.text(max_size=9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def toml_of(value: object, newline: str) -> str:
    if isinstance(value, dict):
        pairs = (f"{text_of(key)} = {toml_of(inner, '')}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return f"[{newline}" + f",{newline}".join(toml_of(i, newline) for i in value) + "]"
    return text_of(value) if isinstance(value, str) else json.dumps(value)


def text_of(value: str) -> str:
    """Return a basic string of TOML; only what could mislead a scanner is left unescaped."""
    return '"' + "".join(c if c in "#=[]{},.'a" else f"\\U{ord(c):08x}" for c in value) + '"'


@given(
    st.lists(st.tuples(KEYS, st.dictionaries(KEYS, VALUES, max_size=4)), max_size=4),
    st.sampled_from(["", "\n", " # [x]\n"]),
)
def test_generated_documents_are_followed_line_by_line(
    tables: list[tuple[str, dict[str, object]]], newline: str
) -> None:
    text = ""
    expected: dict[KeyPath, int] = {}
    counts: dict[str, int] = {}
    for name, pairs in tables:
        index = counts[name] = counts.get(name, -1) + 1
        expected[(name, index)] = text.count("\n") + 1
        text += f"[[{text_of(name)}]]\n"
        for key, value in pairs.items():
            expected[(name, index, key)] = text.count("\n") + 1
            text += f"{text_of(key)} = {toml_of(value, newline)}\n"
    read = tomllib.loads(text)

    lines = lines_of(text)

    assert {path: lines[path] for path in expected} == expected
    assert set(paths_of(read)) == set(lines)
