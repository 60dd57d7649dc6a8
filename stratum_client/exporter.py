"""The pages of the rim: /metrics, rendered in a thread, and /healthz."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

from stratum_client.api.http_lines import Response, plain
from stratum_client.api.rim import Page
from stratum_client.health import health_of
from stratum_client.stats import RigStats


class Exporter:
    """Turns snapshots into pages; scrapes at the same time share one."""

    def __init__(self, snapshot: Callable[[], RigStats]) -> None:
        self._snapshot = snapshot
        self._rendering: asyncio.Task[bytes] | None = None

    @property
    def pages(self) -> Mapping[str, Page]:
        """Return the page of each path."""
        return {"/metrics": self._metrics, "/healthz": self._health}

    async def _metrics(self) -> Response:
        from stratum_client.metrics import (  # noqa: PLC0415  # slow, for those who use it
            CONTENT_TYPE,
            exposition,
        )

        if self._rendering is None or self._rendering.done():
            rendering = asyncio.to_thread(exposition, self._snapshot())
            self._rendering = asyncio.create_task(rendering, name="metrics")
        return Response(body=await asyncio.shield(self._rendering), content_type=CONTENT_TYPE)

    async def _health(self) -> Response:
        is_well, reason = health_of(self._snapshot())
        return plain(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, reason)
