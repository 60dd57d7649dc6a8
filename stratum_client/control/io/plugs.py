"""Smart plugs asked over HTTP: Tasmota, Shelly of the second generation and later, any with JSON.

Source: https://tasmota.github.io/docs/Commands/ (``/cm?cmnd=Status%2010``, ``user`` and
``password`` in the query) and https://shelly-api-docs.shelly.cloud/gen2/ (``/rpc``).
"""

from urllib.parse import quote, urlsplit

from stratum_client.config_power import MeterConfig
from stratum_client.control.io.http_get import HttpGetError, HttpLogin, http_get
from stratum_client.control.plug_answers import LARGEST, PlugError, watts_in

LONGEST_WAIT = 5.0
"""Seconds that a plug has at most for its answer; less where it is asked more often."""

_SHORTEST_WAIT = 0.5

_TASMOTA_PAGE = "/cm?cmnd=Status%2010"
_SHELLY_PAGE = "/rpc/Switch.GetStatus?id=0"


class HttpPlug:
    """A plug that is asked for its watts."""

    def __init__(self, config: MeterConfig) -> None:
        self._url = page_of(config)
        self._path = config.path
        self._seconds = max(min(LONGEST_WAIT, config.every), _SHORTEST_WAIT)
        is_basic = config.source == "http" and config.password
        login = HttpLogin(user=config.user, password=config.password)
        self._login = login if is_basic else None

    async def read(self) -> float:
        """Return the watts measured now; raise PlugError, never later than the plug's deadline."""
        try:
            body = await http_get(
                self._url, seconds=self._seconds, largest=LARGEST, login=self._login
            )
        except HttpGetError as error:
            raise PlugError(error.problem) from error
        return watts_in(body, self._path)


def page_of(config: MeterConfig) -> str:
    """Return the address to ask; one without a page gets that of its kind of plug."""
    url = config.url
    place = urlsplit(url)
    bare = f"{place.scheme}://{place.netloc}"
    has_page = place.path not in {"", "/"} or place.query
    match config.source:
        case "tasmota":
            page = url if has_page else bare + _TASMOTA_PAGE
            user, password = quote(config.user or "admin", safe=""), quote(config.password, safe="")
            return f"{page}&user={user}&password={password}" if config.password else page
        case "shelly":
            return url if has_page else bare + _SHELLY_PAGE
    return url
