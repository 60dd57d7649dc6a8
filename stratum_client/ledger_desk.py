"""A daemon's share ledger at work: opened before the pools are, asked for the blocks left open.

Here are the threads it is opened and closed on, the log it speaks to, and what is done at a start
with the blocks of processes before.
"""

import asyncio
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from drivers.api import Clock, Log
from stratum_client.block_records import BlockFound, shown_block
from stratum_client.block_rescue import BlockRescue
from stratum_client.block_rescue import Path as PoolPath
from stratum_client.config_ledger import LedgerConfig
from stratum_client.job import Fate, Share
from stratum_client.ledger import FOLDER, ShareLedger, Way
from stratum_client.miner import Miner

WORTHLESS = 86_400.0
"""Seconds after which the chain has gone on without a block for sure."""


class LedgerDesk:
    """The ledger in ``state_dir``; ``async with`` opens and closes it.

    All ways to pools must have joined ``blocks`` before.
    """

    def __init__(
        self,
        state_dir: Path,
        config: LedgerConfig,
        *,
        miner: Miner,
        blocks: BlockRescue,
        clock: Clock,
        random: Random,
        log: Log,
    ) -> None:
        self._miner = miner
        self._blocks = blocks
        self._clock = clock
        self._random = random
        self._log = log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ledger = ShareLedger(
            state_dir / FOLDER,
            config,
            clock=clock,
            random=random,
            way_to=self._way_to,
            report=self._report,
        )

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._ledger.open)
        self._miner.witness = self._ledger
        for block in self._ledger.unresolved:
            self._try_again(block)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._miner.witness = None
        self._ledger.close()  # not in a thread: a second signal must not leave it half done

    def _try_again(self, block: BlockFound) -> None:
        path = self._path_for(block)
        if self._clock.wall() - block.time > WORTHLESS:
            self._ledger.give_up(block, Fate.UNANSWERED, "it was open for more than a day")
            self._log.error("BLOCK.NOT_TAKEN", reason="older than a day", **shown_block(block))
        elif path is None:
            reason = f"no pool at {block.host} is configured any more"
            self._log.error("BLOCK.NOT_TAKEN", reason=reason, **shown_block(block))
        else:
            path.resume_id = block.session_id or path.resume_id  # of the newest block
            share = self._ledger.take_back(block, path.name)
            self._search_elsewhere(path.name, share)
            self._blocks.add(share, block.host, sent=True, again=True)

    def _search_elsewhere(self, pool: str, share: Share) -> None:
        """Begin far from where the process before did: a resumed session has its jobs, too."""
        job = share.job
        counter = self._random.randrange(job.extranonce2_count)
        self._miner.search_from(pool, job.extranonce1, job.extranonce2_size, counter)

    def _path_for(self, block: BlockFound) -> PoolPath | None:
        """Return the way to the block's pool, by its name if that is still the same host."""
        paths = [path for path in self._blocks.paths if path.host == block.host]
        named = [path for path in paths if path.name == block.pool]
        return next(iter(named or paths), None)

    def _way_to(self, pool: str) -> Way:
        path = next(path for path in self._blocks.paths if path.name == pool)
        granted = path.connection.session.subscription if path.connection else None
        session_id = granted.session_id if granted else path.resume_id
        return Way(host=path.host, session_id=session_id)

    def _report(self, level: str, event: str, **fields: object) -> None:
        """Log what happened on any thread."""
        write = partial(getattr(self._log, level), event, **fields)
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(write)
        else:
            write()
