"""From the configuration to the keys that orders are signed with."""

from stratum_client.config import Config
from stratum_client.config_curtail import OrderKeyConfig
from stratum_client.control.order_keys import (
    SigningMissingError,
    Verify,
    ed25519_verifier,
    hmac_verifier,
)
from stratum_client.control.order_message import Action, Key
from stratum_client.errors import ConfigError


def key_ring(config: Config) -> dict[str, Key]:
    """Return the keys by name; raise ConfigError for one that cannot be used here."""
    ring = {}
    for number, key in enumerate(config.curtail.keys, 1):
        try:
            verify = _verifier(key)
        except (SigningMissingError, ValueError) as error:
            where = config.path or "configuration"
            raise ConfigError(where, f"curtail.key[{number}].public_key: {error}") from error
        ring[key.name] = Key(name=key.name, may=frozenset(map(Action, key.may)), verify=verify)
    return ring


def _verifier(key: OrderKeyConfig) -> Verify:
    if key.public_key:
        return ed25519_verifier(key.public_key)
    return hmac_verifier(key.secret.encode())
