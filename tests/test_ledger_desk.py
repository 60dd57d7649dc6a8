"""A daemon's ledger and the ways to its pools, which come and go."""

from pathlib import Path
from random import Random

from stratum_client.block_rescue import BlockRescue
from stratum_client.config_ledger import LedgerConfig
from stratum_client.ledger_desk import LedgerDesk
from stratum_client.miner import Miner
from stratum_client.pool_shares import PoolShares
from tests.ledgers import block, checked
from tests.stand_ins import ManualClock, RecordingLog


async def test_a_block_is_recorded_with_the_host_that_its_pool_has_by_now(tmp_path: Path) -> None:
    clock, log = ManualClock(), RecordingLog()
    miner = Miner(clock)
    blocks = BlockRescue(miner, clock=clock, log=log)
    for host in ("old.example", "new.example"):
        PoolShares(miner, name="main", host=host, clock=clock, log=log, blocks=blocks)

    desk = LedgerDesk(
        tmp_path,
        LedgerConfig(),
        miner=miner,
        blocks=blocks,
        clock=clock,
        random=Random(1),
        log=log,
    )
    async with desk:
        assert miner.witness
        miner.witness.found(block())

    [record] = checked(tmp_path / "shares" / "blocks.jsonl")
    assert (record["pool"], record["host"]) == ("main", "new.example")
