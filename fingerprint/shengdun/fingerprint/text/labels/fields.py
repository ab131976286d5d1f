"""The keys and values of a YAML mapping, checked as they are taken."""

from collections.abc import Callable, Sequence

from shengdun.fingerprint.text.labels.marked_yaml import Items, Mapping, Node, Report, Scalar


class Fields:
    """The values of a mapping by their keys. What is wrong is reported when it is asked for.

    Args:
        mapping: the keys and values.
        report: is told of mistakes.
    """

    def __init__(self, mapping: Mapping, report: Report) -> None:
        self.line = mapping.line
        self._nodes = {key.text: value for key, value in mapping.entries}
        self._lines = {key.text: key.line for key, _ in mapping.entries}
        self._report = report

    def node(self, key: str) -> Node | None:
        """What is behind a key; None where there is no such key."""
        return self._nodes.get(key)

    def any_of(self, keys: Sequence[str]) -> bool:
        """Whether one of the keys is there, whatever is behind it."""
        return any(key in self._nodes for key in keys)

    def line_of(self, key: str) -> int:
        """Where a key is, from 1; where the mapping begins, if it isn't there."""
        return self._lines.get(key, self.line)

    def text(self, key: str, check: Callable[[str], None] | None = None) -> str | None:
        """The text behind a key; None where there is none, or one that the check refuses with a ``ValueError``."""
        node = self._nodes.get(key)
        text = None if node is None else text_of(node, repr(key), self._report)
        if text is None or check is None:
            return text
        try:
            check(text)
        except ValueError as error:
            self._report(self.line_of(key), str(error))
            return None
        return text

    def items(self, key: str) -> tuple[Node, ...]:
        """The items of the list behind a key; none where there is no such key."""
        node = self._nodes.get(key)
        if node is None:
            return ()
        if not isinstance(node, Items):
            self._report(
                self.line_of(key),
                f"{key!r} is a list: write each item on a line of its own behind '- '",
            )
            return ()
        if not node.nodes:
            self._report(self.line_of(key), f"{key!r} has no items: write one or remove the key")
        return node.nodes


def fields_of(
    node: Node, known: Sequence[str], *, needed: Sequence[str], what: str, report: Report
) -> Fields | None:
    """The fields of a node, None where it has none.

    Args:
        node: should be a mapping.
        known: the keys that it may have.
        needed: those that it must have.
        what: what it is, for messages.
        report: is told of keys unknown or missing.
    """
    if not isinstance(node, Mapping):
        report(node.line, f"{what} is written as keys and values: {', '.join(known)}")
        return None
    have = {key.text: key.line for key, _ in node.entries}
    for key, line in have.items():
        if key not in known:
            report(line, f"{what} has no key {key!r}: use {', '.join(known)}, or remove it")
    for key in needed:
        if key not in have:
            report(node.line, f"{what} needs the key {key!r}: add it")
    return Fields(node, report)


def text_of(node: Node, what: str, report: Report) -> str | None:
    """The text of a node without spaces around it; None where it has none, which was then reported."""
    if not isinstance(node, Scalar):
        report(node.line, f"{what} is one text, not a list or keys: write it on one line")
        return None
    if node.empty:
        report(node.line, f"{what} is empty: write one or remove it")
        return None
    return node.text.strip()
