"""Orders to curtail when something else goes wrong: damage."""

from pathlib import Path

from tests.control.signed_orders import order
from tests.order_bench import OrderBench, working
from tests.tls_peers import until

DAMAGED = b'{"format": 1, "claims": {'


async def test_a_damaged_record_lets_the_rig_rest_at_every_start_until_it_is_replaced(
    tmp_path: Path,
) -> None:
    (tmp_path / "orders.json").write_bytes(DAMAGED)
    for _ in range(3):
        bench = OrderBench(tmp_path)
        assert bench.running() == []
    async with working(bench):
        bench.desk.take_message(order(17))
        await until(bench.steps)
        bench.desk.take_message(order(18, action="release"))
        await until(lambda: bench.steps(18))

    last = OrderBench(tmp_path)
    assert last.running() == []
    assert (await last.order("curtail.release", force=True))["durable"]
    assert OrderBench(tmp_path).running() == ["cpu", "gamma"]
    assert (tmp_path / "orders.damaged").read_bytes() == DAMAGED
