"""Entries made fit to be written: no secret in bytes or words, streams searched as a whole."""

import json
from dataclasses import replace

from stratum_client.config import Config
from stratum_client.pool_order import PoolOrder
from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.masking import Masker
from stratum_client.recording.recorded_config import learn, learn_pool, recorded_order

_ENDS = {What.LOST, What.HANG_UP, What.STOP}
_WORDLESS = {What.WORK, What.NO_WORK, What.FOUND, What.TOLD, What.TICK, What.HASHRATE, What.MOMENT}


class MaskedEntries:
    """Masks entry after entry; called by the writer's thread alone.

    What may be the beginning of a secret at the end of a chunk waits for the next chunk.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held: dict[str, Entry] = {}

    def __call__(self, entry: Entry) -> list[Entry]:
        """Return what is to be written now."""
        if entry.rim is Rim.PORT and entry.what is not What.DEVICE:
            return [entry]
        if entry.what is What.CONFIGURED:
            return [self._configured(entry)]
        if entry.what is What.ORDER:
            return [self._order(entry)]
        if entry.what is What.IN:
            return self._received(entry)
        if entry.what is What.OUT:
            self._masker.learn(entry.data)
            return [replace(entry, data=self._masker.masked(entry.data))]
        before = self._rest(entry.name) if entry.what in _ENDS else []
        return [*before, entry if entry.what in _WORDLESS else self._in_words(entry)]

    def _received(self, entry: Entry) -> list[Entry]:
        held = self._held.pop(entry.name, None)
        data = held.data + entry.data if held else entry.data
        length = self._masker.cut(data)
        if length < len(data):
            self._held[entry.name] = replace(entry, data=data[length:])
        return [replace(entry, data=self._masker.masked(data[:length]))] if length else []

    def _configured(self, entry: Entry) -> Entry:
        config = entry.fields["config"]
        assert isinstance(config, Config)
        learn(config, self._masker)
        return replace(entry, fields={})

    def _order(self, entry: Entry) -> Entry:
        order = entry.fields["order"]
        assert isinstance(order, PoolOrder)
        if order.config:
            learn_pool(order.config, self._masker)
        return replace(entry, fields=recorded_order(order, self._masker))

    def _rest(self, pool: str) -> list[Entry]:
        held = self._held.pop(pool, None)
        return [replace(held, data=self._masker.masked(held.data))] if held else []

    def _in_words(self, entry: Entry) -> Entry:
        if not entry.fields:
            return entry
        plain = json.dumps(dict(entry.fields), ensure_ascii=False, default=str)
        masked = self._masker.masked(plain.encode(errors="backslashreplace"))
        return replace(entry, fields=json.loads(masked))
