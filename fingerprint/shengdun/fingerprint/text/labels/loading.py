"""Loading label packs: those that ship with Shengdun, and a site's own."""

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from shengdun.fingerprint.text.labels.errors import Mistake, PackRefused, PackUnknown
from shengdun.fingerprint.text.labels.pack import Extension, Label, Pack, Packs
from shengdun.fingerprint.text.labels.reading import LARGEST_BYTES, Canonical, ReadPack, read_pack

_SHIPPED: Final = files("shengdun.fingerprint.text.labels") / "packs"
_ENDING: Final = ".yaml"
_MOST_PACKS: Final = 64


def shipped_packs() -> tuple[str, ...]:
    """The names of the packs that ship with Shengdun, in alphabetical order."""
    names = (entry.name for entry in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)))


def load_packs(
    paths: Sequence[Path] = (), *, canonical: Canonical, shipped: Sequence[str] | None = None
) -> Packs:
    """Loads packs as one: those that ship with Shengdun first, then a site's, which may extend what came before.

    Args:
        paths: files of the site's packs.
        canonical: makes canonical text of terms, so that they are found however they were written.
        shipped: names of packs that ship with Shengdun; all of them unless given.

    Raises:
        PackRefused: there are mistakes, or a file can't be read. Names all of them, of all packs.
        PackUnknown: no pack of that name ships with Shengdun.
    """
    there = shipped_packs()
    read = []
    for name in there if shipped is None else shipped:
        if name not in there:
            raise PackUnknown(
                f"no pack {name!r} ships with Shengdun: choose from {', '.join(there)}"
            )
        file = name + _ENDING
        read.append(read_pack((_SHIPPED / file).read_bytes(), file=file, canonical=canonical))
    if len(read) + len(paths) > _MOST_PACKS:
        message = f"more than {_MOST_PACKS} packs: put several into one file"
        raise PackRefused(
            [Mistake(file=str(paths[-1]) if paths else "packs", line=0, message=message)]
        )
    read += [_read_file(path, canonical) for path in paths]
    return _together(read)


def _read_file(path: Path, canonical: Canonical) -> ReadPack:
    if not path.is_file():
        mistake = Mistake(file=str(path), line=0, message="no such file: correct its path")
        return ReadPack(file=str(path), pack=None, mistakes=(mistake,))
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        mistake = Mistake(
            file=str(path), line=0, message=f"can't be read ({reason}): name a file that can be"
        )
        return ReadPack(file=str(path), pack=None, mistakes=(mistake,))
    return read_pack(data, file=str(path), canonical=canonical)


def _together(read: Sequence[ReadPack]) -> Packs:
    merger = _Merger()
    mistakes = [mistake for one in read for mistake in (*one.mistakes, *merger.take(one))]
    if mistakes:
        raise PackRefused(mistakes)
    packs = tuple(one.pack for one in read if one.pack is not None)
    return Packs(packs=packs, labels=tuple(merger.labels.values()))


class _Merger:
    """Puts packs together one by one."""

    def __init__(self) -> None:
        self.labels: dict[str, Label] = {}
        self._defined_in: dict[str, str] = {}
        self._pack_in: dict[str, str] = {}
        self._complete = True

    def take(self, read: ReadPack) -> Iterator[Mistake]:
        """Takes one in; says what doesn't fit those before it."""
        pack = read.pack
        if pack is None:
            # What it would have defined isn't known, so an extension of it is no mistake.
            self._complete = False
            return

        def mistake(line: int, message: str) -> Mistake:
            return Mistake(file=read.file, line=line, message=message)

        yield from self._pack(pack, read, mistake)
        for label in pack.labels:
            if label.name in self.labels:
                where = self._defined_in[label.name]
                message = f"the label {label.name} is already in {where}: write extends: true, or rename it"
                yield mistake(read.lines[label.name], message)
            else:
                self.labels[label.name] = label
                self._defined_in[label.name] = read.file
        for extension in pack.extensions:
            if extension.label in self.labels:
                self._extend(extension)
            elif self._complete:
                message = (
                    f"no earlier pack has a label {extension.label}: correct its name, or define it"
                )
                yield mistake(read.lines[extension.label], message)

    def _pack(
        self, pack: Pack, read: ReadPack, mistake: Callable[[int, str], Mistake]
    ) -> Iterator[Mistake]:
        if pack.name in self._pack_in:
            yield mistake(
                0,
                f"the pack {pack.name} is already in {self._pack_in[pack.name]}: rename or remove one",
            )
        self._pack_in.setdefault(pack.name, read.file)

    def _extend(self, extension: Extension) -> None:
        label = self.labels[extension.label]
        self.labels[extension.label] = Label(
            name=label.name,
            meaning=label.meaning,
            severity=label.severity,
            source=label.source,
            vocabulary=label.vocabulary.with_more(extension.vocabulary),
        )
