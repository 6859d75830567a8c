"""All string forms of an object. The harness searches them for secrets."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback
from collections.abc import Callable


def strings(value: object, lines: list[str]) -> dict[str, str]:
    """The forms by name. A form that raises is replaced by the text of the exception."""
    forms = {**FORMS, "traceback": _traceback} if isinstance(value, BaseException) else FORMS
    return {**{name: _or_exception(form, value) for name, form in forms.items()}, "log": "\n".join(lines)}


def _or_exception(form: Callable[[object], str], value: object) -> str:
    try:
        return form(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _pickle(value: object) -> str:
    # A pickle holds texts in UTF-8. The bytes between them can be replaced.
    return pickle.dumps(value).decode(errors="replace")


def _json(value: object) -> str:
    def plain(other: object) -> object:
        return {"repr": repr(other), **getattr(other, "__dict__", {})}

    return json.dumps(value, default=plain, ensure_ascii=False)


def _dump(value: object) -> str:
    """Every attribute of the object and of its native part, including slots and properties."""
    lines = []
    for owner in (value, getattr(value, "_native", None)):
        names = [name for name in dir(owner) if not name.startswith("__")]
        lines += [f"{name} = {getattr(owner, name)!r}" for name in names]
    return "\n".join(lines)


def _traceback(error: object) -> str:
    # Without local variables: they include the caller's own, such as the key that it passed.
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


FORMS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "pprint": pprint.pformat,
    "vars": lambda value: repr(vars(value)),
    "dump": _dump,
    "json": _json,
    "pickle": _pickle,
    "copy": lambda value: repr(copy.copy(value)),
    "deepcopy": lambda value: repr(copy.deepcopy(value)),
}
