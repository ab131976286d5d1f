"""What a client learns about a letter, a work order or a chat."""

from dataclasses import dataclass

from shengdun.service.contract.campaigns import ScriptCampaign
from shengdun.service.contract.decisions import Flag, PartialReason
from shengdun.service.contract.labels import TextLabel
from shengdun.service.contract.scripts import SimilarScript


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedText:
    """The outcome of a text. A flag is advice to a person, never a verdict.

    Attributes:
        flags: ``SCRIPT_MATCH`` for every script that more speaks for than against, strongest first; then
            ``SCRIPT_CAMPAIGN`` where other customers share its wording.
        scripts_searched: how many scripts it was compared with.
        line: the line that was named.
        partial: whether the outcome rests on less than it could.
        partial_reasons: why it is partial.
        labels: words that are worth a look, by where they begin; at most 1,000. No flag comes of them.
        labels_found: how many there are in all.
        label_pack_ids: the packs that it was searched with.
        similar: scripts that it is like in meaning, the most alike first, at most three. No flag comes of them.
    """

    flags: tuple[Flag, ...]
    scripts_searched: int
    line: str
    partial: bool
    partial_reasons: tuple[PartialReason, ...]
    labels: tuple[TextLabel, ...] = ()
    labels_found: int = 0
    label_pack_ids: tuple[str, ...] = ()
    similar: tuple[SimilarScript, ...] = ()

    @property
    def script_campaign(self) -> ScriptCampaign | None:
        """The campaign that the text follows; None where there is none, or the text came without a customer."""
        found = (flag.script_campaign for flag in self.flags if flag.script_campaign is not None)
        return next(found, None)
