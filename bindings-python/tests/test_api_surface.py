"""The public API against the table that all languages share, ``tests/conformance/api-surface.json``."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import celper
from celper import _errors

TABLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tests/conformance/api-surface.json").read_text(encoding="utf-8")
)
TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "duration": "float | timedelta",
    "seconds": "float",
    "pem": "str | bytes",
    "strings": "Sequence[str]",
    "kind": "str",
    "operation": "str",
    "nothing": "None",
    "CandidateStatus": "CandidateStatus | str",
}
TYPED = ["options", "rate_limits", "methods", "properties", "results", "error_fields"]


def spelled(type_: str) -> str:
    """A type of the table as Python writes it: ``duration? = 5`` is ``float | timedelta | None = 5``."""
    name, optional, default = re.fullmatch(r"(\w+)(\??)(.*)", type_).groups()  # type: ignore[union-attr]
    return TYPES.get(name, name) + (" | None" if optional else "") + default


def lines(path: str, node: Any) -> Iterator[str]:
    """A part of the table, or a part of the API in the same form, as one line for each item."""
    if isinstance(node, dict):
        for name, inner in node.items():
            yield from lines(f"{path}.{name}", inner)
    else:
        for value in node if isinstance(node, list) else [node]:
            yield f"{path}: {value}"


def expected(sections: list[str], language: str) -> set[str]:
    """What the table has for this language: its lines with the language's differences."""
    found = set()
    for section in sections:
        for line in lines(section, TABLE[section]):
            path, _, value = line.partition(": ")
            found.add(f"{path}: {spelled(value)}" if section in TYPED else line)
    for difference in TABLE["differences"].get(language, {}):
        sign, line = difference[0], difference[2:]
        if re.split(r"[.:]", line)[0] in sections:
            assert (line in found) == (sign == "-"), f"{language}: the difference {difference!r} has no effect"
            found ^= {line}
    return found


def compare(api: dict[str, Any], language: str) -> None:
    actual = {line for section, node in api.items() for line in lines(section, node)}
    wanted = expected(list(api), language)
    assert not wanted - actual, "in the table, and not in the package"
    assert not actual - wanted, "in the package, and not in the table"


def parameters(function: Callable[..., Any], annotations: dict[str, str] | None = None) -> dict[str, str]:
    """A function's arguments, all but the first by keyword only."""
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        default = parameter.default
        if default in (parameter.empty, None):
            text = ""
        else:
            of_class = type(default)
            text = f" = {default:g}" if isinstance(default, int | float) else f" = {of_class.__name__}()"
            assert isinstance(default, int | float) or default == of_class()
        found[name] = (annotations or {name: parameter.annotation})[name] + text
        assert parameter.kind is parameter.KEYWORD_ONLY or len(found) == 1, f"{name} can be passed by position"
        assert (default is None) == found[name].endswith("| None"), name
    return found


def stub(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """The types of a native class's properties and of its constructor's arguments."""
    path = Path(celper.__file__).with_name("_celper.pyi")
    (class_,) = (
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    functions = [node for node in class_.body if isinstance(node, ast.FunctionDef)]
    (new,) = (function for function in functions if function.name == "__new__")
    return (
        {each.name: ast.unparse(each.returns) for each in functions if each.decorator_list and each.returns},
        {each.arg: ast.unparse(each.annotation) for each in new.args.kwonlyargs if each.annotation},
    )


def public(names: Any) -> list[str]:
    return [name for name in names if not name.startswith("_")]


@pytest.mark.parametrize(("client", "language"), [(celper.Celper, "python"), (celper.AsyncCelper, "python_async")])
def test_client_is_as_in_the_table(client: type, language: str) -> None:
    methods = {}
    properties = {}
    for name in public(dir(client)):
        member = getattr(client, name)
        if callable(member):
            methods[name] = {**parameters(member), "returns": inspect.signature(member).return_annotation}
            # `async with` and `async for` await the batch or the watch.
            is_awaited = client is celper.AsyncCelper and name not in ("batch", "watch_candidates")
            assert inspect.iscoroutinefunction(member) == is_awaited, name
        else:
            properties[name] = inspect.signature(member.fget).return_annotation
    compare({"options": parameters(client), "methods": methods, "properties": properties}, language)


def test_package_is_as_in_the_table() -> None:
    exported = {name: getattr(celper, name) for name in celper.__all__}
    errors = {name: it for name, it in exported.items() if isinstance(it, type) and issubclass(it, celper.CelperError)}
    results = {}
    for name in TABLE["results"]:
        fields, arguments = stub(name)
        data = [field for field in public(fields) if field != "record"]
        assert list(exported[name].__match_args__) == data, name
        assert public(fields) == list(arguments), name
        members = set(public(dir(exported[name])))
        results[name] = {field: fields.get(field) for field in members - {"to_dict"}}
    parents = {
        name: [base.__name__ for base in it.__bases__] for name, it in errors.items() if it.__base__ is not Exception
    }
    api: dict[str, Any] = {
        "rate_limits": parameters(celper.RateLimits, stub("RateLimits")[1]),
        "results": results,
        "statuses": [status.value for status in celper.CandidateStatus],
        "error_kinds": {kind: error.__name__ for kind, error in _errors.BY_KIND.items()},
        "error_parents": {name: bases[0] for name, bases in parents.items()},
        "python_error_bases": {name: bases[1:] for name, bases in parents.items()},
        "error_fields": {
            name: celper.CelperError.__annotations__[name] for name in public(celper.CelperError.__annotations__)
        },
        "names": [name for name in exported if name not in results and name not in parents],
    }
    compare(api, "python")
    for kind, error in _errors.BY_KIND.items():
        assert error.kind == kind
        of_class = {"reason", "clock_difference"} if error is celper.WebhookError else set()
        assert set(public(vars(error()))) | {"kind"} == set(api["error_fields"]) | of_class
