"""Settings that are right by themselves and have no effect beside the others; pure."""

from collections.abc import Iterator

from stratum_client.config import Config
from stratum_client.config_power import MeterConfig
from stratum_client.toml_lines import KeyPath

Idle = tuple[KeyPath, str]
"""Where a setting stands, and why it does nothing."""

_NO_BROKER = "without mqtt.url there is no broker"


def without_effect(config: Config) -> Iterator[Idle]:
    """Yield what does nothing as things are."""
    yield from _of_mqtt(config)
    yield from _of_orders(config)
    has_broker = config.mqtt.url is not None
    yield from _of_meter(("power", "meter"), config.power.meter, has_broker=has_broker)
    for index, device in enumerate(config.devices):
        yield from _of_meter(("device", index, "meter"), device.meter, has_broker=has_broker)
    yield from _of_price(config)
    for path in config.api.unserved:
        yield path, "this version does not serve it; orders go over the control socket"


def _of_mqtt(config: Config) -> Iterator[Idle]:
    mqtt = config.mqtt
    if mqtt.url is None:
        keys = ("user", "password", "ca_file", "groups")
        yield from ((("mqtt", key), _NO_BROKER) for key in keys if getattr(mqtt, key))
        return
    if mqtt.ca_file and not mqtt.url.uses_tls:
        yield ("mqtt", "ca_file"), "nobody shows a certificate at mqtt://: write mqtts:// for TLS"
    if mqtt.password and not mqtt.user:
        yield ("mqtt", "password"), "MQTT sends no password without a user: set mqtt.user"


def _of_orders(config: Config) -> Iterator[Idle]:
    curtail, has_broker = config.curtail, config.mqtt.url is not None
    is_heard = "mqtt" in curtail.sources
    if curtail.keys and not has_broker:
        yield ("curtail", "key", 0), f"no order can come that it signs: {_NO_BROKER}"
    elif curtail.keys and not is_heard:
        yield ("curtail", "key", 0), 'no order can come that it signs: "mqtt" is not in sources'
    for index, key in enumerate(curtail.keys):
        if not key.may:
            yield ("curtail", "key", index, "may"), "nothing: this key may order nothing at all"
    watches = curtail.contact is not None and "contact" in curtail.sources
    if curtail.contact and not watches:
        yield ("curtail", "contact"), 'nobody looks at it: "contact" is not in sources'
    if curtail.on_signal_lost == "idle" and not watches and not (curtail.keys and is_heard):
        why = "no signal can be lost: there is neither a contact nor a key that may order by MQTT"
        yield ("curtail", "on_signal_lost"), why


def _of_meter(path: KeyPath, meter: MeterConfig | None, *, has_broker: bool) -> Iterator[Idle]:
    if meter and meter.source == "mqtt" and not has_broker:
        yield (*path, "source"), f"nobody hears the plug: {_NO_BROKER}"
    if meter and meter.user and not meter.password:
        yield (*path, "user"), "it is not sent without a password: set password_file beside it"


def _of_price(config: Config) -> Iterator[Idle]:
    price = config.price
    keys = {"file": "file", "url": "http", "area": "nordpool"}
    for key, source in keys.items():
        if getattr(price, key) and price.source != source:
            yield ("price", key), f'it is not asked: price.source is "{price.source}"'
    if price.stop_above is not None and price.source == "off":
        yield ("price", "stop_above"), 'no price is followed: price.source is "off"'
