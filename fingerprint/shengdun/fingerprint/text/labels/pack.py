"""Label packs as values: what a pack says once it was read without a mistake."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from shengdun.fingerprint.text.labels.patterns import LONGEST, SHORTEST, Matcher, is_masked

_LABEL_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_PACK_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME: Final = 64
_SHOWN_OF_SHA256: Final = 12


class Severity(Enum):
    """How much a label matters to who reads it; no probability."""

    LOW = "LOW"
    """Said by many callers who coach or harm nobody."""
    MEDIUM = "MEDIUM"
    """Seldom said without a reason to look closer."""
    HIGH = "HIGH"
    """To be looked at by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a label stands for, in one sentence.

    Attributes:
        zh: in Chinese.
        en: in English.
    """

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word or a phrase.

    Attributes:
        written: as in the pack.
        canonical: as in canonical text, 2 to 60 characters.
    """

    written: str
    canonical: str

    def __post_init__(self) -> None:
        if is_masked(self.canonical):
            raise ValueError(
                f"the term {self.written!r} has a number or a name, which canonical text masks, so it would be found "
                "with any other: write it without, or as a pattern with \\p{Co} for the masked"
            )
        if not SHORTEST <= len(self.canonical) <= LONGEST:
            raise ValueError(
                f"the term {self.written!r} has a length of {len(self.canonical)} once punctuation and spaces are "
                f"gone: write {SHORTEST} to {LONGEST} characters"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A regular expression over canonical text.

    Attributes:
        name: what its hits are called.
        regex: in RE2's syntax; the module ``patterns`` says what it may have.
    """

    name: str
    regex: str

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > _LONGEST_NAME:
            raise ValueError(f"the pattern's name needs 1 to {_LONGEST_NAME} characters")
        try:
            Matcher(self.regex)
        except ValueError as error:
            raise ValueError(f"the pattern {self.name!r} {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a label is found by.

    Attributes:
        terms: each in one canonical form once.
        patterns: each under one name once.
        exceptions: terms; a hit that overlaps one doesn't count.
    """

    terms: tuple[Term, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    exceptions: tuple[Term, ...] = ()

    def with_more(self, more: "Vocabulary") -> Self:
        """This and what it lacks of another."""
        return type(self)(
            terms=_once((*self.terms, *more.terms)),
            patterns=tuple(
                {(p.name, p.regex): p for p in (*self.patterns, *more.patterns)}.values()
            ),
            exceptions=_once((*self.exceptions, *more.exceptions)),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to find."""
        return not self.terms and not self.patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name for stretches of a text.

    Attributes:
        name: in UPPER_SNAKE_CASE, at most 64 characters.
        meaning: what it stands for.
        severity: how much it matters.
        source: the law, notice or reference that it follows, for a person to read.
        vocabulary: what it is found by.
    """

    name: str
    meaning: Meaning
    severity: Severity
    source: str
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        check_label_name(self.name)
        if self.vocabulary.empty:
            raise ValueError(
                f"the label {self.name} has neither terms nor patterns: give it one, or remove it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What a pack adds to a label of an earlier pack.

    Attributes:
        label: that label's name.
        vocabulary: what is added; exceptions alone are enough.
    """

    label: str
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        check_label_name(self.label)
        if self.vocabulary.empty and not self.vocabulary.exceptions:
            raise ValueError(
                f"the extension of {self.label} adds nothing: give it terms, patterns or except"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One file of labels.

    Attributes:
        name: lower-case words with hyphens, at most 64 characters.
        version: as semantic versioning has it, without build metadata.
        language: a BCP 47 tag, such as ``zh``.
        sha256: of the file's bytes, 64 hexadecimal digits.
        labels: those that it defines.
        extensions: what it adds to labels of earlier packs.
    """

    name: str
    version: str
    language: str
    sha256: str
    labels: tuple[Label, ...]
    extensions: tuple[Extension, ...]

    def __post_init__(self) -> None:
        check_pack_name(self.name)
        check_version(self.version)
        check_language(self.language)
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("a SHA-256 has 64 hexadecimal digits")

    @property
    def pack_id(self) -> str:
        """Name, version and the beginning of the hash: what decisions echo."""
        return f"{self.name}@{self.version}+{self.sha256[:_SHOWN_OF_SHA256]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packs:
    """Several packs as one.

    Attributes:
        packs: in the order in which they were loaded.
        labels: all of them, with what later packs added, in the order in which they were defined.
    """

    packs: tuple[Pack, ...]
    labels: tuple[Label, ...]

    @property
    def pack_ids(self) -> tuple[str, ...]:
        """Of each pack, in order."""
        return tuple(pack.pack_id for pack in self.packs)


def check_label_name(name: str) -> None:
    """Raises ``ValueError`` unless a label may have this name."""
    if not _LABEL_NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"no name for a label, {name!r}: write capitals, digits and single underscores, as in SOME_LABEL"
        )


def check_pack_name(name: str) -> None:
    """Raises ``ValueError`` unless a pack may have this name."""
    if not _PACK_NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"no name for a pack, {name!r}: write small letters, digits and single hyphens, as in bank-words"
        )


def check_version(version: str) -> None:
    """Raises ``ValueError`` unless this is a version."""
    if not _VERSION.fullmatch(version) or len(version) > _LONGEST_NAME:
        raise ValueError(
            f"no version, {version!r}: write MAJOR.MINOR.PATCH, as in 1.0.0, without +build"
        )


def check_language(language: str) -> None:
    """Raises ``ValueError`` unless this looks like a language tag."""
    if not _LANGUAGE.fullmatch(language) or len(language) > _LONGEST_NAME:
        raise ValueError(f"no language tag, {language!r}: write one as in zh or zh-Hant")


def _once(terms: Iterable[Term]) -> tuple[Term, ...]:
    first: dict[str, Term] = {}
    for term in terms:
        first.setdefault(term.canonical, term)
    return tuple(first.values())
