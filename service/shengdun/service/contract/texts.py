"""What a client learns about a letter, a work order or a chat."""

from dataclasses import dataclass

from shengdun.service.contract.decisions import Flag, PartialReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedText:
    """The outcome of a text. A flag is advice to a person, never a verdict.

    Attributes:
        flags: ``SCRIPT_MATCH`` for every script that more speaks for than against, strongest first.
        scripts_searched: how many scripts it was compared with.
        line: the line that was named.
        partial: whether the outcome rests on less than it could.
        partial_reasons: why it is partial.
    """

    flags: tuple[Flag, ...]
    scripts_searched: int
    line: str
    partial: bool
    partial_reasons: tuple[PartialReason, ...]
