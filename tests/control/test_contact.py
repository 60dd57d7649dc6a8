"""A contact is believed once it has kept still, and what cannot be read changes nothing."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import Config
from stratum_client.config_curtail import CurtailConfig, OrderKeyConfig
from stratum_client.control.contact import DebouncedContact
from stratum_client.control.io.contact_file import contact_content
from stratum_client.errors import ConfigError
from stratum_client.order_key_ring import key_ring

LEVELS = st.lists(
    st.tuples(st.sampled_from(["0", "1\n", "", None, "x"]), st.floats(0.01, 0.4)), max_size=40
)


def test_a_level_counts_when_it_has_been_so_for_long_enough() -> None:
    contact = DebouncedContact(active="1", debounce=0.3)

    assert not contact.seen("1\n", 0.0)
    assert not contact.seen("1\n", 0.2)
    assert {contact.is_closed} == {None}
    assert contact.seen("1\n", 0.3)
    assert contact.is_closed is True
    assert not contact.seen("0\n", 0.4)
    assert not contact.seen("1\n", 0.6)
    assert not contact.seen("1\n", 0.9)
    assert contact.is_closed is True


@given(LEVELS)
def test_what_is_believed_was_read_for_the_whole_of_that_time(
    levels: list[tuple[str | None, float]],
) -> None:
    contact, now, seen = DebouncedContact(active="1", debounce=0.3), 0.0, list[tuple[float, str]]()
    for content, pause in levels:
        before = contact.is_closed
        contact.seen(content, now)
        readable = content is not None and content.strip() != ""
        seen = [*seen, (now, content.strip())] if readable and content else []
        if contact.is_closed is not before:
            level = [one == "1" for at, one in seen if at > now - 0.3]
            assert set(level) == {contact.is_closed}
            assert seen[0][0] <= now - 0.3
        assert (contact.unreadable_since is None) is readable
        now += pause


def test_a_file_that_says_nothing_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "value").write_text("1\n")
    (tmp_path / "noise").write_bytes(b"\xff\x00")

    assert contact_content(tmp_path / "value") == "1\n"
    assert contact_content(tmp_path / "pipe") == ""
    assert contact_content(tmp_path) is None
    assert contact_content(tmp_path / "missing") is None
    assert contact_content(tmp_path / "noise") == "\ufffd\x00"


def test_a_key_that_needs_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "cryptography.hazmat.primitives.asymmetric.ed25519"
    monkeypatch.setitem(sys.modules, module, None)
    key = OrderKeyConfig(name="operator", public_key=bytes(32))

    with pytest.raises(ConfigError, match=r"curtail\.key\[1\].*stratum-client\[signing\]"):
        key_ring(Config(curtail=CurtailConfig(keys=(key,))))
