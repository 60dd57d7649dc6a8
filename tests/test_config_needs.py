"""What `config check` says beyond errors: extras that are missing, settings without effect."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stratum_client.config_file import read_config
from stratum_client.config_needs import needs_of
from stratum_client.config_problems import Findings, findings_in

POOL = '[[pool]]\nurl = "a:1"\nuser = "a"\n'
PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
BROKER = '[mqtt]\nurl = "mqtt://broker"\n'
SIGNED = f'[[curtail.key]]\nname = "operator"\npublic_key = "{PUBLIC_KEY}"\n'
SHARED = '[[curtail.key]]\nname = "grid"\nsecret = "sixteen-or-more-of-them"\n'
CONTACT = '[curtail]\nsources = ["mqtt", "api"]\ncontact = { file = "/tmp/contact" }\n'
PRICE = '[price]\nsource = "off"\nstop_above = 0.2\nurl = "http://prices.example"\n'


def without(*modules: str) -> Callable[[str], str]:
    return lambda module: "not installed" if module in modules else ""


def found_in(text: str, *modules: str, directory: Path = Path()) -> Findings:
    return findings_in(
        (POOL + text).encode(),
        name="c.toml",
        environ={},
        directory=directory,
        import_problem=without(*modules),
        file_problem=lambda _: "",
    )


@pytest.mark.parametrize(
    ("text", "module", "place", "extra", "is_error"),
    [
        (BROKER + SIGNED, "cryptography", "8: curtail.key[1].public_key", "signing", True),
        ('[energy]\nkey_file = "k"\n', "cryptography", "5: energy.key_file", "signing", False),
        (BROKER, "aiomqtt", "5: mqtt.url", "mqtt", False),
        (
            '[[calendar]]\nfile = "a.ics"\nmode = "idle"\n',
            *("recurring_ical_events", "5: calendar[1].file", "calendar", True),
        ),
        (
            '[price]\nsource = "nordpool"\narea = "FI"\nstop_above = 0.2\n',
            *("pynordpool", "5: price.source", "prices", False),
        ),
        (
            '[network]\nproxy = "socks5://p:1080"\n',
            *("python_socks.async_.asyncio", "5: network.proxy", "proxy", False),
        ),
        (
            '[[device]]\ndriver = "piaxe"\nport = "/dev/ttyS0"\n',
            *("gpiod", "4: device[1]", "gpio", False),
        ),
    ],
)
def test_a_missing_extra_is_named_with_the_setting_and_the_command(
    text: str, module: str, place: str, extra: str, is_error: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.ics").write_bytes(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n")
    there = found_in(text, directory=tmp_path)
    gone = found_in(text, module, directory=tmp_path)

    assert (there.errors, there.warnings) == ((), ())
    [said] = gone.errors if is_error else gone.warnings
    assert len(gone.errors) + len(gone.warnings) == 1
    assert said.startswith(f"c.toml:{place}: ")
    assert f'needs the extra "{extra}", which is not installed: ' in said
    assert re.search(rf"pip install.* 'stratum-client\[{extra}\]'$|runpip", said)


def test_a_pool_of_its_own_proxy_is_named_and_one_that_goes_the_common_way_is_not() -> None:
    text = (
        '[network]\nproxy = "socks5://p:1080"\n[[pool]]\nurl = "b:1"\nuser = "b"\n'
        'proxy = "socks5://q:1080"\n[[pool]]\nurl = "c:1"\nuser = "c"\nproxy = "none"\n'
    )
    config = read_config((POOL + text).encode(), name="c.toml", environ={})

    assert [need.path for need in needs_of(config)] == [("network", "proxy"), ("pool", 1, "proxy")]


def test_every_extra_that_is_named_is_one_of_the_package() -> None:
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    everything = "".join(
        [
            f'{BROKER}{SIGNED}[energy]\nkey_file = "k"\n[[calendar]]\nfile = "a.ics"\n',
            'mode = "idle"\n[price]\nsource = "nordpool"\narea = "FI"\nstop_above = 0.2\n',
            '[network]\nproxy = "socks5://p:1080"\n[[device]]\ndriver = "piaxe"\n',
        ]
    )
    config = read_config((POOL + everything).encode(), name="c.toml", environ={})

    extras = {need.extra for need in needs_of(config)}

    assert extras == {"signing", "calendar", "mqtt", "prices", "proxy", "gpio"}
    assert all(re.search(rf"^{extra} = \[", text, re.MULTILINE) for extra in extras)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SHARED, "c.toml:4: curtail.key[1]: no effect: no order can come that it signs: without m"),
        (
            f'{BROKER}[curtail]\nsources = ["api"]\n{SHARED}',
            'c.toml:8: curtail.key[1]: no effect: no order can come that it signs: "mqtt" is not',
        ),
        (f"{BROKER}{SHARED}may = []\n", "c.toml:9: curtail.key[1].may: no effect: nothing: this"),
        (CONTACT, 'c.toml:6: curtail.contact: no effect: nobody looks at it: "contact" is not'),
        (
            '[curtail]\non_signal_lost = "idle"\n',
            "c.toml:5: curtail.on_signal_lost: no effect: no signal can be lost",
        ),
        ('[mqtt]\nuser = "r17"\n', "c.toml:5: mqtt.user: no effect: without mqtt.url there is no"),
        ('[mqtt]\ngroups = ["a"]\n', "c.toml:5: mqtt.groups: no effect: without mqtt.url there is"),
        (f'{BROKER}ca_file = "ca"\n', "c.toml:6: mqtt.ca_file: no effect: nobody shows a cert"),
        (f'{BROKER}password = "p"\n', "c.toml:6: mqtt.password: no effect: MQTT sends no pass"),
        (
            '[power]\nmeter = { source = "tasmota", url = "http://p", user = "u" }\n',
            "c.toml:5: power.meter.user: no effect: it is not sent without a password",
        ),
        (
            '[price]\nsource = "file"\nfile = "p"\narea = "FI"\nstop_above = 1\n',
            'c.toml:7: price.area: no effect: it is not asked: price.source is "file"',
        ),
    ],
)
def test_a_setting_without_effect_is_warned_of_by_check_and_by_run(text: str, warning: str) -> None:
    found = found_in(text)
    config = read_config((POOL + text).encode(), name="c.toml", environ={})

    assert found.errors == ()
    [said] = found.warnings
    assert said.startswith(warning)
    assert config.warnings == (said,)


def test_a_price_that_nobody_follows_is_warned_of_for_each_of_its_settings() -> None:
    warnings = found_in(PRICE).warnings

    assert [re.search(r"price\.\w+", one)[0] for one in warnings] == [  # type: ignore[index]  # it is there
        *("price.url", "price.stop_above"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'{BROKER}user = "u"\npassword = "p"\ngroups = ["a"]\n{SHARED}',
        f'{BROKER}[curtail]\non_signal_lost = "idle"\n{SHARED}',
        '[curtail]\non_signal_lost = "idle"\ncontact = { file = "/tmp/contact" }\n',
        '[mqtt]\nurl = "mqtts://b"\nca_file = "ca"\n',
    ],
)
def test_what_has_an_effect_is_not_warned_of(text: str) -> None:
    assert found_in(text).warnings == ()


MANY = f"""
[mqtt]
url = "nonsense://broker"
[[curtail.key]]
name = "grid"
secret = "short"
[power]
meter = {{ source = "http", path = "a" }}
limit = "much"
[price]
source = "http"
[[calendar]]
mode = "idle"
[[tariff]]
price = "cheap"
currency = "KZT"
{SIGNED}"""


def test_each_error_of_site_settings_is_told_once_and_hides_no_other() -> None:
    errors = found_in(MANY).errors

    assert [re.sub(r"^c.toml:(\d+): ([\w.\[\]]+): .*", r"\1 \2", one) for one in errors] == [
        "6 mqtt.url",
        "9 curtail.key[1].secret",
        "11 power.meter.source",
        "12 power.limit",
        "14 price.source",
        "15 calendar[1]",
        "18 tariff[1].price",
    ]


FILES = """
[curtail]
contact = { file = "contact" }
[energy]
key_file = "/etc/energy.key"
[price]
source = "file"
file = "prices.csv"
stop_above = 1
"""


def test_a_calendar_that_keeps_run_from_starting_is_an_error(tmp_path: Path) -> None:
    text = '[[calendar]]\nfile = "a.ics"\nmode = "idle"\n'
    (absent,) = found_in(text, directory=tmp_path).errors
    (tmp_path / "a.ics").write_text("junk")
    (junk,) = found_in(text, directory=tmp_path).errors

    assert absent.startswith(f"c.toml:5: calendar[1].file: {tmp_path}/a.ics")
    assert "No such file" in absent
    assert junk.startswith(f"c.toml:5: calendar[1].file: {tmp_path}/a.ics")


def test_files_are_looked_for_beside_the_configuration_and_missing_ones_warned_of(
    tmp_path: Path,
) -> None:
    (tmp_path / "contact").write_text("0")
    data = (POOL + FILES).encode()
    config = read_config(data, name="c.toml", environ={}, directory=tmp_path)
    found = findings_in(data, name="c.toml", environ={}, directory=tmp_path)

    assert config.price.file == tmp_path / "prices.csv"
    assert config.energy.key_file == Path("/etc/energy.key")
    assert config.curtail.contact
    assert config.curtail.contact.file == tmp_path / "contact"
    assert found.errors == ()
    assert found.warnings == (
        "c.toml:8: energy.key_file: /etc/energy.key cannot be read: No such file or directory",
        f"c.toml:11: price.file: {tmp_path}/prices.csv cannot be read: No such file or directory",
    )
