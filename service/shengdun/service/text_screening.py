"""What a letter, a work order or a chat is screened for: known scripts, campaigns, and words worth a look."""

from dataclasses import dataclass

from shengdun.fingerprint.text.labels.labelling import FoundLabel, TextLabels
from shengdun.service.decision import FollowedCampaign
from shengdun.service.text_memory import TextMemory
from shengdun.service.texts import ComparedText, Run, TextComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedText:
    """The outcome of a text.

    Attributes:
        compared: what the comparison with the known scripts found.
        followed: the campaign that it follows, if it does.
        labels: words worth a look, by where they begin. They have no part in any flag.
        label_pack_ids: the packs that they are of.
    """

    compared: ComparedText
    followed: FollowedCampaign | None
    labels: tuple[FoundLabel, ...]
    label_pack_ids: tuple[str, ...]


class TextScreening:
    """Screens texts.

    Args:
        comparison: compares them with the known scripts.
        memory: tells campaigns, and remembers texts for that.
        labels: finds words worth a look.
        run: where it is done.
    """

    def __init__(
        self, comparison: TextComparison, memory: TextMemory, labels: TextLabels, run: Run
    ) -> None:
        self._comparison = comparison
        self._memory = memory
        self._labels = labels
        self._run = run

    async def screen(
        self, text: str, *, line: str, customer_reference: str, limit: int
    ) -> ScreenedText:
        """Screen a text, and remember it if it says whom it is about.

        Args:
            text: as it was said or written.
            line: line of business.
            customer_reference: whom it is about; may be empty.
            limit: how many scripts to name at most.

        Raises:
            InvalidText: it is blank, or no text.
            TextTooLong: it has more characters than any letter or chat.
            TextTooShort: it has too few to be compared.
        """
        compared = await self._comparison.compare(text, limit=limit, above=0.0)
        followed = await self._memory.remember(
            text, customer_reference=customer_reference, line=line
        )
        return ScreenedText(
            compared=compared,
            followed=followed,
            labels=await self._run(lambda: self._labels.of(text)),
            label_pack_ids=self._labels.pack_ids,
        )
