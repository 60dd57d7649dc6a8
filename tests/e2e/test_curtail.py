"""Orders to a real daemon: by a real broker and from the command line, through a kill."""

import json
from pathlib import Path
from typing import Any

from tests.brokers import broker, site_at
from tests.control.signed_orders import SECRET
from tests.e2e.console import Console
from tests.processes import Running, pool, running


async def test_an_order_by_mqtt_outlives_a_kill_and_no_user_but_by_force_ends_it(
    tmp_path: Path, console: Console
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    words = ("curtail", "order", "--key", "grid", "--secret-file", str(secret), "--site", "kent")
    message = console.done(*words, "--to", "rig/r17", "--idle", "--reason", "grid is short")
    (tmp_path / "broker").mkdir()
    async with broker(tmp_path / "broker") as port, site_at(port, "mine/kent/rig/r17/ack") as site:
        (tmp_path / "stratum-client.toml").write_text(
            f'[rig]\nname = "r17"\n[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\nsite = "kent"\n'
            '[[curtail.key]]\nname = "grid"\nsecret_file = "secret"\n'
        )
        with pool("--difficulty", "0.0005", "--vardiff", "off", folder=tmp_path) as (_, url):
            run = ("run", "--pool", url, "--user", "a.b", "--device", "cpu,threads=1", "--json")
            with running(*run, folder=tmp_path) as first:
                first.wait_for("share.accepted")
                await site.client.publish("mine/kent/order/rig/r17", message.encode(), 1, True)
                idle = json.loads(await site.hears(lambda _, ack: b'"step": "idle"' in ack))
                assert idle["key"] == "grid"
                first.process.kill()
                first.process.wait()
            with running(*run, folder=tmp_path) as second:
                known = await site.hears(lambda _, ack: b'"known": true' in ack)
                assert json.loads(known)["in_force"] is True
                said_by_the_console(console, second)


def said_by_the_console(console: Console, daemon: Running) -> None:
    [device] = console.status()["devices"]
    assert device["state"] == "idle"
    assert "grid is short" in device["reason"]
    assert "rests on, for another reason: order " in console.done("resume")
    assert "still ordered by somebody else" in console.done("curtail", "release")
    [order] = listed(console)["orders"]
    assert (order["issuer"], order["limit"]) == ("key grid", "idle")
    assert "would end: order " in console.done("curtail", "--dry-run", "release", "--force")
    assert "ended: order " in console.done("curtail", "release", "--force", "--reason", "test")
    daemon.wait_for("share.accepted")

    code, _, err = console.said("curtail", "--idle", "--until", "midnight")
    assert (code, "is no time" in err) == (1, True)
    out = console.done("curtail", "--idle", "--for", "2h")
    assert out.startswith("idle: curtailed by user ")
    assert "idle: cpu" in out
    assert "idle: curtailed by" in console.done("curtail", "list")
    again = json.loads(console.done("curtail", "--power", "0W", "--for", "2h", "--json"))
    assert (again["limit"], again["awake"], again["durable"]) == ("idle", [], True)
    assert "ended: curtailed by" in console.done("curtail", "release")


def listed(console: Console) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(console.done("curtail", "list", "--json"))
    return found
