"""Prints the public face of the installed Python package, one item a line: once with `Celper`, once with `AsyncCelper`.

What is there is read from the imported package. Types of what is native are its stub's, which is held against it; what
only sources can have (the text below a field) is read from the sources that are installed.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import types
from pathlib import Path

import celper
from celper import _errors, _status

PACKAGE = Path(celper.__file__).parent


def say(item: str, name: str, **facts: object) -> None:
    """Prints one item."""
    print(json.dumps({"item": item, "name": name, **facts}))


def problem(text: str) -> None:
    """Prints what this package contradicts itself in."""
    say("problem", text)


def split(annotation: str) -> tuple[str, bool]:
    """A type without `None`, and whether that was in it."""
    parts = annotation.split(" | ")
    return " | ".join(part for part in parts if part != "None"), "None" in parts


def plain(default: object) -> object:
    """A default as JSON has it."""
    if isinstance(default, celper.RateLimits):
        return {name: getattr(default, name) for name in type(default).__match_args__}
    return default


def documented_arguments(documented: object) -> dict[str, str]:
    """The entries of a docstring's `Args:`."""
    _, _, rest = (inspect.getdoc(documented) or "").partition("Args:\n")
    section = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^    (\w+): (.*)$", section, flags=re.MULTILINE))


def documented_attributes(module: types.ModuleType, name: str) -> dict[str, str]:
    """What stands below the attributes of a class in its source."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    texts = {}
    for attribute, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(attribute, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr):
            target = attribute.target if isinstance(attribute, ast.AnnAssign) else attribute.targets[0]
            texts[ast.unparse(target)] = str(ast.literal_eval(text.value))
    return texts


def stub(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """What the stub says of a native class: its constructor's arguments and its properties, with their types."""
    tree = ast.parse((PACKAGE / "_celper.pyi").read_text(encoding="utf-8"))
    arguments: dict[str, str] = {}
    properties: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        for member in node.body:
            if not isinstance(member, ast.FunctionDef):
                continue
            if member.name == "__new__":
                named = [*member.args.args[1:], *member.args.kwonlyargs]
                arguments = {each.arg: ast.unparse(each.annotation) for each in named if each.annotation}
            elif [ast.unparse(decorator) for decorator in member.decorator_list] == ["property"] and member.returns:
                properties[member.name] = ast.unparse(member.returns)
    return arguments, properties


def read_client(client: type) -> set[str]:
    """The client's options, operations and other members; the names of what the operations give."""
    documented = documented_arguments(inspect.getattr_static(client, "__init__"))
    for name, option in inspect.signature(client).parameters.items():
        kind, nullable = split(option.annotation)
        say(
            "option",
            name,
            type=kind,
            optional=option.default is not option.empty,
            off=nullable and option.default is not None,
            default=plain(option.default),
            doc=documented.get(name, ""),
        )
    given = set()
    for name in dir(client):
        member = getattr(client, name)
        if name.startswith("_"):
            continue
        parameters = list(inspect.signature(member).parameters.items())[1:] if callable(member) else []
        if not parameters:
            say("member", name, doc=inspect.getdoc(member) or "")
            continue
        result = inspect.signature(member).return_annotation
        given.add(result)
        say("operation", name, type=result, doc=inspect.getdoc(member) or "")
        if inspect.iscoroutinefunction(member) != (client is celper.AsyncCelper):
            problem(f"{name} is a coroutine function where it should not be, or the other way round")
        documented = documented_arguments(member)
        for parameter, about in parameters:
            kind, nullable = split(about.annotation)
            say(
                "parameter",
                parameter,
                of=name,
                type=kind,
                optional=about.default is None and nullable,
                named=about.kind is about.KEYWORD_ONLY,
                doc=documented.get(parameter, ""),
            )
    return given


def read_result(name: str, seen: set[str]) -> None:
    """A result's fields, and those of results in it."""
    if name in seen or name not in celper.__all__:
        return
    seen.add(name)
    record = getattr(celper, name)
    say("result", name, doc=inspect.getdoc(record) or "")
    arguments, properties = stub(name)
    fields = [field for field in dir(record) if not field.startswith("_")]
    for what, names in [
        ("__match_args__", record.__match_args__),
        ("constructor", inspect.signature(record).parameters),
        ("stub", properties),
        ("stub's constructor", arguments),
    ]:
        if set(names) != set(fields):
            problem(f"{name} has the fields {sorted(fields)}, and its {what} {sorted(names)}")
    for field in fields:
        kind, nullable = split(properties.get(field, ""))
        say("field", field, of=name, type=kind, optional=nullable, doc=inspect.getdoc(getattr(record, field)) or "")
        for part in kind.split(" | "):
            read_result(part, seen)


def read_limits() -> None:
    """The fields of `RateLimits`, with what they are without being named."""
    arguments, properties = stub("RateLimits")
    default = celper.RateLimits()
    for name, argument in inspect.signature(celper.RateLimits).parameters.items():
        value = getattr(default, name)
        if argument.default != value:
            problem(f"the signature of RateLimits says {name}={argument.default}, and it is {value}")
        doc = inspect.getdoc(getattr(celper.RateLimits, name)) or ""
        say("limit", name, type=arguments.get(name), optional=name in arguments, off=False, default=value, doc=doc)
    if set(arguments) != set(default.__match_args__) or set(properties) != set(arguments):
        problem(f"the stub's RateLimits has {sorted(arguments)} and {sorted(properties)}")


def read_errors(seen: set[str]) -> None:
    """The error classes, the kinds that they are of, and an error's fields."""
    for name in celper.__all__:
        error = getattr(celper, name)
        if not isinstance(error, type) or not issubclass(error, BaseException):
            continue
        seen.add(name)
        ours = [base.__name__ for base in error.__bases__ if base.__name__ in celper.__all__]
        builtin = [base.__name__ for base in error.__bases__ if base.__name__ not in celper.__all__]
        say(
            "error class",
            name,
            parent=ours[0] if ours else None,
            bases=[base for base in builtin if base != "Exception"],
            doc=error.__dict__.get("__doc__") or "",
        )
    for kind, error in _errors.BY_KIND.items():
        arguments = (kind, "", "", "client", None, None, None, None, 0, None, False)
        made = _errors.from_native(*arguments)
        say("error kind", kind, **{"class": type(made).__name__})
        if made.kind != kind or type(made) is not error:
            problem(f"an error of the kind {kind} calls itself {made.kind}")
    documented = documented_attributes(_errors, "CelperError")
    made = celper.CelperError("")
    for field, annotation in celper.CelperError.__annotations__.items():
        kind, nullable = split(annotation)
        say("error field", field, type=kind, optional=nullable, doc=documented.get(field, ""))
        if not hasattr(made, field):
            problem(f"CelperError.{field} is annotated, and not there")
    for field in [*vars(made), *dir(celper.CelperError)]:
        inherited = field.startswith("_") or hasattr(Exception, field)
        if not inherited and field not in celper.CelperError.__annotations__:
            say("error field", field, doc="")


def read_face(client: type) -> None:
    """The face with this client class."""
    if not client.__dict__.get("__doc__"):
        problem(f"{client.__name__} has no documentation")
    seen = {"Celper", "AsyncCelper", "RateLimits", "CandidateStatus"}
    for result in sorted(read_client(client)):
        read_result(result, seen)
    read_limits()
    documented = documented_attributes(_status, "CandidateStatus")
    for status in celper.CandidateStatus:
        say("status", status.value, case=status.name, doc=documented.get(status.name, ""))
    read_errors(seen)
    for name in celper.__all__:
        value = getattr(celper, name)
        if name not in seen:
            say("name", name, doc=inspect.getdoc(value) if callable(value) else "a constant")
    for name, value in vars(celper).items():
        module = isinstance(value, types.ModuleType) or name == "annotations"
        if not name.startswith("_") and not module and name not in celper.__all__:
            problem(f"celper.{name} is there, and not in __all__")


for face, client in (("python", celper.Celper), ("python-async", celper.AsyncCelper)):
    say("face", face)
    read_face(client)
