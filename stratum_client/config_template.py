"""A first configuration: short, commented, and working as it is."""

import json

_TEMPLATE = """\
# What a rig needs; everything else has a default. Every setting there is: stratum-client config
# explain, and one in full: stratum-client config explain work.failback_after
# After a change: stratum-client config check, then stratum-client reload

schema = 1

[rig]
# Stands for {{rig}} in a pool's user. Default: the host name.
#name = "rig-1"

[[pool]]
{url}
# A Bitcoin address or an account; behind the dot what the pool is to call this machine.
{user}
{password}

# A second pool, for when the first is away.
#[[pool]]
#url = "stratum+ssl://backup.example:3334"
#user = "ADDRESS.{{rig}}"

# Miners that are plugged in are found by themselves; without any, the CPU mines. To name them all
# instead, a table each; `stratum-client devices` says what there is:
#[[device]]
#match = {{ board = "compac-f" }}
#settings = {{ frequency = 400 }}

# Numbers for Prometheus, and /healthz for a supervisor:
#[metrics]
#listen = "127.0.0.1:9332"
"""

_NO_PASSWORD = (
    '# With most pools any password will do.\n#password_file = "/etc/stratum-client/secrets/pool"'
)


def first_config(*, url: str, user: str, password_file: str = "") -> str:
    """Return the text of a configuration with one pool."""
    given = f"password_file = {toml_text(password_file)}" if password_file else _NO_PASSWORD
    return _TEMPLATE.format(
        url=f"url = {toml_text(url)}", user=f"user = {toml_text(user)}", password=given
    )


def config_without_pool() -> str:
    """Return the same with the pool to be filled in: it is switched off, so that nothing dials."""
    text = first_config(url="stratum+tcp://pool.example:3333", user="ADDRESS.{rig}")
    switched = text.replace("\n[[pool]]\nurl", "\n#[[pool]]\n#url", 1)
    return switched.replace("\nuser = ", "\n#user = ", 1)


def toml_text(value: str) -> str:
    """Return ``value``, which is printable, as a string of TOML."""
    return json.dumps(value, ensure_ascii=False)
