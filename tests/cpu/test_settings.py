import os
from collections.abc import Mapping

import pytest

from drivers.cpu.settings import CpuSettings, parsed
from drivers.errors import SettingError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"threads": 3}, CpuSettings(threads=3)),
        ({"threads": "3", "duty": 70}, CpuSettings(threads=3, duty=70)),
        ({"threads": 1, "duty": "70%"}, CpuSettings(threads=1, duty=70)),
        ({"threads": 1, "duty": " 70 % "}, CpuSettings(threads=1, duty=70)),
        ({"threads": 1, "duty": "100"}, CpuSettings(threads=1, duty=100)),
        ({"threads": 1, "kernel": "hashlib"}, CpuSettings(threads=1, kernel="hashlib")),
        ({"threads": 1, "kernel": "auto"}, CpuSettings(threads=1, kernel="auto")),
        (
            {"threads": 1, "first_nonce": "0x7552034c", "first_version_bits": 0x00B44000},
            CpuSettings(threads=1, first_nonce=0x7552034C, first_version_bits=0x00B44000),
        ),
    ],
)
def test_settings_come_as_text_or_as_numbers(
    given: Mapping[str, object], expected: CpuSettings
) -> None:
    assert parsed(given) == expected


def test_by_default_every_usable_core_gets_a_thread() -> None:
    settings = parsed({})

    assert 1 <= settings.threads <= len(os.sched_getaffinity(0))
    assert settings == CpuSettings(threads=settings.threads)


BAD: dict[str, tuple[object, ...]] = {
    "threads": (0, -1, "0", "four", "", 1.5, True, None, [], 1025),
    "duty": (0, 101, "0%", "101%", "%", "70%%", 70.5, True, "9" * 5000),
    "first_nonce": (-1, 1 << 32, "0xg", 0.0, False),
    "first_version_bits": (-1, "0x100000000"),
    "kernel": ("", "quickest", 3, None),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: object) -> None:
    given = {"threads": 1, name: value}

    with pytest.raises(SettingError) as caught:
        parsed(given)

    assert caught.value.driver == "cpu"
    assert caught.value.setting == name
    allowed = {"kernel": ("has: ", "must be a name")}.get(name, ("from 1 to", "32-bit number"))
    assert any(words in str(caught.value) for words in allowed)


def test_an_unknown_setting_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingError, match=r"thread.*threads, duty, kernel, first_nonce"):
        parsed({"thread": 4})
