"""Smart plugs asked over HTTP: Tasmota, Shelly of the second generation and later, any with JSON.

Source: https://tasmota.github.io/docs/Commands/ (``/cm?cmnd=Status%2010``, ``user`` and
``password`` in the query) and https://shelly-api-docs.shelly.cloud/gen2/ (``/rpc``).
"""

from urllib.parse import quote, urlsplit

from stratum_client.config_power import MeterConfig
from stratum_client.control.http_login import HttpLogin
from stratum_client.control.io.http_get import HttpGetError, HttpUnauthorizedError, http_get
from stratum_client.control.plug_answers import LARGEST, PlugError, watts_in

LONGEST_WAIT = 5.0
"""Seconds that a plug has at most for its answer; less where it is asked more often."""

_SHORTEST_WAIT = 0.5

_TASMOTA_PAGE = "/cm?cmnd=Status%2010"
_SHELLY_PAGE = "/rpc/Switch.GetStatus?id=0"
_SHELLY_USER = "admin"


class HttpPlug:
    """A plug that is asked for its watts."""

    def __init__(self, config: MeterConfig) -> None:
        self._url = page_of(config)
        self._path = config.path
        self._seconds = max(min(LONGEST_WAIT, config.every), _SHORTEST_WAIT)
        self._source = config.source
        self._login = _login_of(config)

    async def read(self) -> float:
        """Return the watts measured now; raise PlugError, never later than the plug's deadline."""
        try:
            body = await http_get(
                self._url, seconds=self._seconds, largest=LARGEST, login=self._login
            )
        except HttpUnauthorizedError as error:
            raise PlugError(f"{error.problem}: {self._remedy}") from error
        except HttpGetError as error:
            raise PlugError(error.problem) from error
        return watts_in(body, self._path)

    @property
    def _remedy(self) -> str:
        """Return what to do about a plug that does not let us in."""
        if self._source == "shelly":
            return "set password_file of this meter to what its web page was locked with"
        return "set user and password_file of this meter"


def _login_of(config: MeterConfig) -> HttpLogin | None:
    """Return who asks; Tasmota wants that in the query."""
    if not config.password or config.source not in {"http", "shelly"}:
        return None
    if config.source == "shelly":
        return HttpLogin(user=config.user or _SHELLY_USER, password=config.password)
    return HttpLogin(user=config.user, password=config.password, is_basic=True)


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
