"""Settings as text: a commented example made from their own docstrings and defaults, and the resolved tree."""

import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shengdun.service.line_settings import LineSettings
from shengdun.service.settings import FILE_NAME, Settings

_EXAMPLE_LINE: Final = "complaints"


def example() -> str:
    """A settings file with every key, its meaning and its default; as it stands it changes nothing."""
    head = [
        f"# {FILE_NAME}: every key with its default. Remove the leading '# ' of a line to change it.",
        "# In the environment a key is written SHENGDUN_SERVER__PORT for server.port, and a list with commas.",
        "",
    ]
    return "\n".join([*head, *_section(Settings, ())]).rstrip()


def _section(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    nested: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is not None:
            nested.append((name, field, inner))
        elif field.annotation is not None and typing.get_origin(field.annotation) is not dict:
            yield from (f"# {line}" for line in (field.description or "").splitlines())
            yield f"# {name} = {_value(_shown(field))}"
            yield ""
    for name, field, inner in nested:
        yield from _titled(inner, (*path, name), field.description)
    if model is Settings:
        about = f"A line of business of your own; `{_EXAMPLE_LINE}` stands for its name."
        yield from _titled(LineSettings, ("lines", _EXAMPLE_LINE), about)


def _titled(model: type[BaseModel], path: tuple[str, ...], about: str | None) -> Iterator[str]:
    yield from (f"# {line}" for line in (about or "").splitlines())
    yield f"# [{'.'.join(path)}]"
    yield from _section(model, path)


def _model_of(annotation: object) -> type[BaseModel] | None:
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _alternatives(annotation: object) -> tuple[object, ...]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = typing.get_args(annotation)
    else:
        parts = (annotation,)
    # Limits are written around the type they limit.
    return tuple(typing.get_args(p)[0] if hasattr(p, "__metadata__") else p for p in parts)


def _shown(field: FieldInfo) -> object:
    if not field.is_required() and field.default is not None:
        return field.default
    assert field.examples, "a key without a default needs an example"
    return field.examples[0]


def resolved(settings: Settings) -> str:
    """The settings as TOML, secrets left out, keys that are not set in comments."""
    return "\n".join(_tables(settings.model_dump(mode="json"), ())).strip()


def _tables(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield ""
        yield f"[{'.'.join(path)}]"
    for name, value in tree.items():
        if value is None:
            yield f"# {name} is not set"
        elif not isinstance(value, Mapping):
            yield f"{name} = {_value(value)}"
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _tables(value, (*path, name))


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    # A TOML basic string has the escapes of JSON.
    return json.dumps(str(value), ensure_ascii=False)
