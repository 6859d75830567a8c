"""All string forms that Python has for a thing, to be searched for secrets."""

from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback
from collections.abc import Callable


def strings(thing: object, lines: list[str]) -> dict[str, str]:
    """The forms by name; for one that the thing refuses, the text of the refusal."""
    forms = {**FORMS, "traceback": _traceback} if isinstance(thing, BaseException) else FORMS
    return {**{name: _or_refusal(form, thing) for name, form in forms.items()}, "log": "\n".join(lines)}


def _or_refusal(form: Callable[[object], str], thing: object) -> str:
    try:
        return form(thing)
    except Exception as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def _pickle(thing: object) -> str:
    # Texts are UTF-8 in a pickle; what stands between them need not be readable.
    return pickle.dumps(thing).decode(errors="replace")


def _json(thing: object) -> str:
    def plain(other: object) -> object:
        return {"repr": repr(other), **getattr(other, "__dict__", {})}

    return json.dumps(thing, default=plain, ensure_ascii=False)


def _dump(thing: object) -> str:
    """Every attribute that reflection finds: in slots, computed, and in the native half as well."""
    lines = []
    for owner in (thing, getattr(thing, "_native", None)):
        names = [name for name in dir(owner) if not name.startswith("__")]
        lines += [f"{name} = {getattr(owner, name)!r}" for name in names]
    return "\n".join(lines)


def _traceback(error: object) -> str:
    # Without local variables: among them are the caller's own, which hold what the caller passed.
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


FORMS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "pprint": pprint.pformat,
    "vars": lambda thing: repr(vars(thing)),
    "dump": _dump,
    "json": _json,
    "pickle": _pickle,
    "copy": lambda thing: repr(copy.copy(thing)),
    "deepcopy": lambda thing: repr(copy.deepcopy(thing)),
}
