"""YAML as nodes that know their lines, of a small and safe part of YAML.

Scalars stay the text that was written: a term ``12378`` or ``no`` is not turned into a number or a truth value.
Anchors, aliases, tags, further documents and deep nesting are mistakes, so that what is read is never larger than
what was written. Reference: YAML 1.1, as PyYAML's SafeLoader parses it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

DEEPEST = 8
"""How far collections may be nested; a pack needs five."""

Report = Callable[[int, str], None]
"""Takes a mistake: its line, from 1, and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A text.

    Attributes:
        line: where it begins, from 1.
        text: what was written, without quotes, folded as YAML folds.
        plain: whether it was written without quotes.
    """

    line: int
    text: str
    plain: bool = True

    @property
    def empty(self) -> bool:
        """Whether there is nothing: no text, or what YAML calls null."""
        return not self.text.strip() or (self.plain and self.text.lower() in {"~", "null"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list.

    Attributes:
        line: where it begins, from 1.
        nodes: its items.
    """

    line: int
    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys and values, each key once.

    Attributes:
        line: where it begins, from 1.
        entries: keys and their values in order.
    """

    line: int
    entries: tuple[tuple[Scalar, "Node"], ...]


Node = Scalar | Items | Mapping


def read_yaml(text: str, report: Report) -> Node | None:
    """Reads one document.

    Args:
        text: the document.
        report: is told of everything that is wrong.

    Returns:
        its root, or None where it can't be read; None was then reported.
    """
    try:
        return _Composer(yaml.parse(text, Loader=yaml.SafeLoader), report).document()
    except _TooDeep as deep:
        report(deep.line, f"nested deeper than {DEEPEST} levels: write it flatter")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        report(
            line,
            f"no YAML: {error.problem or error.context}: check indentation, colons and quotes here",
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report(
            line,
            f"a character that YAML does not allow, U+{ord(text[error.position]):04X}: remove it",
        )
    return None


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Composer:
    """Makes nodes of the parser's events."""

    def __init__(self, events: Iterator[yaml.Event], report: Report) -> None:
        self._events = events
        self._report = report

    def document(self) -> Node | None:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            self._report(1, "nothing is in this file: write a pack into it")
            return None
        root = self._node(event, depth=1)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._report(_line(event), "a second document begins here: one pack a file")
                return None
        return root

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        line = _line(event)
        if depth > DEEPEST:
            raise _TooDeep(line)
        if isinstance(event, yaml.AliasEvent):
            self._report(line, f"an alias, *{event.anchor}: packs have none, write it out")
            return Scalar(line=line, text="")
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self._report(line, f"an anchor, &{event.anchor}: packs have none, remove it")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            self._report(line, f"a tag, {tag}: packs have none, remove it")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(line=line, text=event.value, plain=event.style is None)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(line=line, nodes=tuple(self._items(depth)))
        return Mapping(line=line, entries=tuple(self._entries(depth)))

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            yield self._node(event, depth=depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        first: dict[str, int] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            value = self._node(self._next(), depth=depth + 1)
            if not isinstance(key, Scalar):
                self._report(key.line, "a key that is a list or a mapping: a key is one word")
            elif key.text in first:
                before = first[key.text]
                self._report(
                    key.line,
                    f"the key {key.text!r} was already given in line {before}: keep one of them",
                )
            else:
                first[key.text] = key.line
                yield key, value


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1
