"""Replies as a fault has them: other ids, other results, late, twice, or none."""

from collections.abc import Mapping

from stratum_client.emulated_pool.faults import Change

Message = Mapping[str, object]

FAR_AWAY = 1_000_000_000
"""Added to an id, it gives one that no client has reached."""


def altered(message: Message, change: Change) -> list[Message]:
    """Return what is written instead of ``message``; closing and waiting are done elsewhere."""
    if change in (Change.DROP, Change.CLOSE, Change.RESET):
        return []
    if change is Change.TWICE:
        return [message, message]
    return [_changed(message, change)]


def _changed(message: Message, change: Change) -> Message:
    match change:
        case Change.DELAY:
            return message
        case Change.ID_MISSING:
            return {key: value for key, value in message.items() if key != "id"}
        case Change.ID_AS_TEXT | Change.ID_AS_FLOAT | Change.ID_UNKNOWN | Change.ID_NULL:
            return {**message, "id": _other_id(message["id"], change)}
        case _ if change.startswith("extranonce"):
            return {**message, "result": _other_extranonces(message.get("result"), change)}
        case _:
            return {**message, **_other_members(change)}


def _other_id(identifier: object, change: Change) -> object:
    number = identifier if isinstance(identifier, int) else 0
    match change:
        case Change.ID_AS_TEXT:
            return str(identifier)
        case Change.ID_AS_FLOAT:
            return float(number)
        case Change.ID_UNKNOWN:
            return number + FAR_AWAY
        case _:
            return None


def _other_extranonces(result: object, change: Change) -> object:
    if not isinstance(result, list) or len(result) != 3:
        return result
    pairs, extranonce1, size = result
    match change:
        case Change.EXTRANONCE1_ODD:
            return [pairs, f"{extranonce1}a", size]
        case Change.EXTRANONCE1_NOT_HEX:
            return [pairs, "not-hex!", size]
        case Change.EXTRANONCE1_LONG:
            return [pairs, "ab" * 33, size]
        case Change.EXTRANONCE2_ZERO:
            return [pairs, extranonce1, 0]
        case _:
            return [pairs, extranonce1]


def _other_members(change: Change) -> dict[str, object]:
    match change:
        case Change.RESULT_FALSE:
            return {"result": False, "error": None}
        case Change.RESULT_ODD:
            return {"result": {"unexpected": [1, "two", None]}, "error": None}
        case Change.ERROR_LIST:
            return {"result": None, "error": [20, "Other/Unknown", None]}
        case Change.ERROR_TEXT:
            return {"result": None, "error": "Other/Unknown"}
        case Change.ERROR_OBJECT:
            error = {"code": 20, "message": "Other/Unknown", "data": None}
            return {"result": None, "error": error}
        case _:
            return {"result": None, "error": None}
