"""From a pack's bytes to its values, with every mistake by its line."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from shengdun.fingerprint.text.labels.errors import Mistake
from shengdun.fingerprint.text.labels.fields import Fields, fields_of, text_of
from shengdun.fingerprint.text.labels.marked_yaml import Mapping, Node, Report, read_yaml
from shengdun.fingerprint.text.labels.pack import (
    Extension,
    Label,
    Meaning,
    Pack,
    Pattern,
    Severity,
    Term,
    Vocabulary,
    check_label_name,
    check_language,
    check_pack_name,
    check_version,
)
from shengdun.fingerprint.text.labels.patterns import uncanonical

LARGEST_BYTES: Final = 512 * 1024
"""No pack may be larger."""
_MOST_MISTAKES: Final = 1_000
_PACK = ("pack", "version", "language", "labels")
_VOCABULARY = ("terms", "patterns", "except")
_LABEL = ("label", "meaning", "severity", "source", *_VOCABULARY)
_EXTENSION = ("label", "extends", *_VOCABULARY)
_MEANING = ("zh", "en")
_PATTERN = ("name", "regex")

Canonical = Callable[[str], str]
"""Makes canonical text of any text."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPack:
    """What became of one file.

    Attributes:
        file: its name, for messages.
        pack: what it says; None where it has mistakes.
        lines: of each label that it defines or extends, the line.
        mistakes: by line.
    """

    file: str
    pack: Pack | None
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()


def read_pack(data: bytes, *, file: str, canonical: Canonical) -> ReadPack:
    """Reads one pack; raises nothing, whatever the bytes.

    Args:
        data: the file's content.
        file: its name, for messages.
        canonical: makes canonical text of terms.
    """
    mistakes: list[Mistake] = []

    def report(line: int, message: str) -> None:
        if len(mistakes) < _MOST_MISTAKES:
            mistakes.append(Mistake(file=file, line=line, message=message))

    reader = _Reader(report, canonical)
    pack = reader.pack(data)
    found = tuple(sorted(dict.fromkeys(mistakes)))
    return ReadPack(file=file, pack=None if found else pack, lines=reader.lines, mistakes=found)


class _Reader:
    """Reads one pack; what is wrong is reported and left out, so that the rest is still read."""

    def __init__(self, report: Report, canonical: Canonical) -> None:
        self._report = report
        self._canonical = canonical
        self.lines: dict[str, int] = {}

    def pack(self, data: bytes) -> Pack | None:
        if len(data) > LARGEST_BYTES:
            self._report(0, f"larger than {LARGEST_BYTES // 1024} KiB: split it into several packs")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._report(
                line, f"a byte that is no UTF-8, 0x{data[error.start]:02X}: save the file as UTF-8"
            )
            return None
        root = read_yaml(text, self._report)
        fields = self._fields(root, _PACK, needed=_PACK, what="a pack") if root else None
        if fields is None:
            return None
        name = fields.text("pack", check_pack_name)
        version = fields.text("version", check_version)
        language = fields.text("language", check_language)
        entries = [entry for node in fields.items("labels") if (entry := self._entry(node))]
        if not entries or name is None or version is None or language is None:
            return None
        return Pack(
            name=name,
            version=version,
            language=language,
            sha256=hashlib.sha256(data).hexdigest(),
            labels=tuple(entry for entry in entries if isinstance(entry, Label)),
            extensions=tuple(entry for entry in entries if isinstance(entry, Extension)),
        )

    def _entry(self, node: Node) -> Label | Extension | None:
        extends = isinstance(node, Mapping) and any(
            key.text == "extends" for key, _ in node.entries
        )
        known, needed = (_EXTENSION, ("label",)) if extends else (_LABEL, _LABEL[:4])
        fields = self._fields(
            node, known, needed=needed, what="an extension" if extends else "a label"
        )
        if fields is None:
            return None
        name = fields.text("label", check_label_name)
        if name is not None:
            self._note(name, fields.line_of("label"))
        return self._extension(name, fields) if extends else self._label(name, fields)

    def _note(self, name: str, line: int) -> None:
        if before := self.lines.get(name):
            self._report(line, f"the label {name} is already in line {before}: put both together")
        else:
            self.lines[name] = line

    def _extension(self, name: str | None, fields: Fields) -> Extension | None:
        if fields.text("extends") not in {"true", None}:
            self._report(
                fields.line_of("extends"), "extends says nothing but true: write that, or remove it"
            )
        vocabulary = self._vocabulary(fields)
        if name is None or (vocabulary == Vocabulary() and fields.any_of(_VOCABULARY)):
            return None
        return self._tried(fields.line, partial(Extension, label=name, vocabulary=vocabulary))

    def _label(self, name: str | None, fields: Fields) -> Label | None:
        meaning = self._meaning(fields)
        severity = self._severity(fields)
        source = fields.text("source")
        vocabulary = self._vocabulary(fields)
        if name is None or meaning is None or severity is None or source is None:
            return None
        if vocabulary.empty and fields.any_of(_VOCABULARY[:2]):
            # What it was given was wrong, and was reported item by item.
            return None
        return self._tried(
            fields.line,
            partial(
                Label,
                name=name,
                meaning=meaning,
                severity=severity,
                source=source,
                vocabulary=vocabulary,
            ),
        )

    def _meaning(self, fields: Fields) -> Meaning | None:
        node = fields.node("meaning")
        inner = self._fields(node, _MEANING, needed=_MEANING, what="a meaning") if node else None
        if inner is None:
            return None
        zh, en = inner.text("zh"), inner.text("en")
        return None if zh is None or en is None else Meaning(zh=zh, en=en)

    def _severity(self, fields: Fields) -> Severity | None:
        text = fields.text("severity")
        if text is None or text in Severity.__members__:
            return None if text is None else Severity[text]
        self._report(
            fields.line_of("severity"), f"no severity, {text!r}: write LOW, MEDIUM or HIGH"
        )
        return None

    def _vocabulary(self, fields: Fields) -> Vocabulary:
        return Vocabulary(
            terms=tuple(self._terms(fields.items("terms"))),
            patterns=tuple(self._patterns(fields.items("patterns"))),
            exceptions=tuple(self._terms(fields.items("except"))),
        )

    def _terms(self, nodes: Iterable[Node]) -> Iterator[Term]:
        first: dict[str, int] = {}
        for node in nodes:
            written = text_of(node, "a term", self._report)
            if (
                written is None
                or (term := self._tried(node.line, partial(self._term, written))) is None
            ):
                continue
            if before := first.get(term.canonical):
                self._report(
                    node.line,
                    f"the term {term.written!r} is the same as in line {before}: remove one",
                )
            else:
                first[term.canonical] = node.line
                yield term

    def _term(self, written: str) -> Term:
        return Term(written=written, canonical=self._canonical(written))

    def _patterns(self, nodes: Iterable[Node]) -> Iterator[Pattern]:
        first: dict[str, int] = {}
        for node in nodes:
            fields = self._fields(node, _PATTERN, needed=_PATTERN, what="a pattern")
            name, regex = (fields.text("name"), fields.text("regex")) if fields else (None, None)
            if fields is None or name is None or regex is None:
                continue
            if name in first:
                self._report(
                    node.line, f"a pattern {name!r} is already in line {first[name]}: rename one"
                )
            first.setdefault(name, node.line)
            self._check_characters(name, regex, fields.line_of("regex"))
            pattern = self._tried(fields.line_of("regex"), partial(Pattern, name=name, regex=regex))
            if pattern is not None:
                yield pattern

    def _check_characters(self, name: str, regex: str, line: int) -> None:
        for character, instead in uncanonical(regex, self._canonical):
            advice = f"write {instead!r}" if instead else "leave it out"
            self._report(
                line,
                f"the pattern {name!r} has {character!r}, which canonical text never has: {advice}",
            )

    def _fields(
        self, node: Node, known: Sequence[str], *, needed: Sequence[str], what: str
    ) -> Fields | None:
        return fields_of(node, known, needed=needed, what=what, report=self._report)

    def _tried(self, line: int, build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ValueError as error:
            self._report(line, str(error))
            return None
