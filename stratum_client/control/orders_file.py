"""Orders as a text that outlives the daemon: those in force and the last numbers, together; pure.

One JSON object: ``format`` (1), ``claims`` as in `claims_file`, and ``taken``: for each key the
``number`` and the ``digest`` of its last order. As one file is replaced as a whole, no order is
ever there without its number, and no number without its order.
"""

import json
import re

from stratum_client.control.claims_file import ClaimsFileError, claims_in, text_of
from stratum_client.control.curtail import OrderBook, Taken
from stratum_client.control.order_message import MAX_NUMBER

FORMAT = 1
MAX_KEYS = 256


def book_text(book: OrderBook) -> bytes:
    """Return ``book`` as the content of a file."""
    document = {
        "format": FORMAT,
        "claims": json.loads(text_of(book.claims)),
        "taken": {
            name: {"number": taken.number, "digest": taken.digest}
            for name, taken in book.taken.items()
        },
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def book_in(data: bytes) -> OrderBook:
    """Return the orders in a file's content; raise ClaimsFileError, for nothing is guessed."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ClaimsFileError("not JSON") from error
    match document:
        case {"format": int(number), "claims": dict(claims), "taken": dict(taken)} if (
            number is not True and len(taken) <= MAX_KEYS
        ):
            if number != FORMAT:
                raise ClaimsFileError(f"format {number} is not known here, only {FORMAT}")
            return OrderBook(
                claims=claims_in(json.dumps(claims).encode()),
                taken={name: _taken(row) for name, row in taken.items()},
            )
    raise ClaimsFileError("no record of orders")


def _taken(row: object) -> Taken:
    match row:
        case {"number": int(number), "digest": str(digest)} if (
            number is not True
            and 1 <= number <= MAX_NUMBER
            and re.fullmatch("[0-9a-f]{64}", digest)
        ):
            return Taken(number=number, digest=digest)
    raise ClaimsFileError("a number of a key that is none")
