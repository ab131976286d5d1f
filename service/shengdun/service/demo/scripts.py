"""The scripts of the demo, and what callers make of them: all composed for it, in the manner of proxy complaints.

The callers say it in their own words, with hesitations, and as a speech recogniser writes it: with other characters of
the same sound. The institution's own agent speaks in between.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

from shengdun.service.client import NewScript, ScriptKind, Speaker, TranscriptSegment

Turn: TypeAlias = tuple[Speaker, str]

INSTALMENTS: Final = NewScript(
    script_id="demo-instalments",
    title="停息分期话术",
    kind=ScriptKind.CHAT,
    text=(
        "您好，我是贵行信用卡的持卡人，前年做生意亏了本，加上家里人生病，目前确实没有偿还能力，但是我有还款意愿。"
        "你们委托的催收公司天天打电话骚扰我的家人和同事，泄露了我的个人隐私，这是违规催收。"
        "我现在要求你们停止第三方催收，减免全部利息和违约金，本金给我办理六十期个性化分期。"
        "三个工作日之内给我书面答复，不然我就拨打12378投诉，并且申请调取全部通话录音作为证据。"
    ),
    network_id="demo-ring",
    campaign="停息挂账",
    purpose="demonstration",
    source="composed for the demo",
)
REFUND: Final = NewScript(
    script_id="demo-refund",
    title="全额退保话术",
    kind=ScriptKind.TRANSCRIPT,
    text=(
        "当初业务员跟我说这是存款，收益比定期高，从来没有说明这是保险，也没有提示任何风险。"
        "合同上的风险提示语不是我本人抄写的，回访电话也是业务员教我怎么回答的，这属于销售误导。"
        "我要求全额退还保费，并且按照同期存款利率补偿利息。"
        "如果三天之内不处理，我会向监管部门和消费者协会投诉，还要在网上公开你们的销售录音。"
    ),
    network_id="demo-ring",
    campaign="代理退保",
    purpose="demonstration",
    source="composed for the demo",
)
INSTALMENTS_SAID: Final[Sequence[Turn]] = (
    (Speaker.CALLER, "喂你好，我是你们行信用卡的持卡人"),
    (Speaker.AGENT, "您好，请问有什么可以帮您"),
    (Speaker.CALLER, "嗯我前年做生意亏了本，加上家里人生病，目前确实没有偿还能力，但是我有还款意愿"),
    (Speaker.CALLER, "你们委托的崔收公司天天打电话骚扰我的家人和同事，泄露了我的个人隐私"),
    (Speaker.CALLER, "我现在要求你们停止第三方催收，减免全部利息和违约金，本金给我办理六十期个性化分期"),
)  # fmt: skip
REFUND_SAID: Final[Sequence[Turn]] = (
    (Speaker.CALLER, "我来问保单的事，当初业务员跟我说这是存款，收益比定期高，从来没说明这是保险"),
    (Speaker.AGENT, "好的，请您提供一下保单号"),
    (Speaker.CALLER, "合同上的风险提示语不是我本人超写的，那个回访电话也是业务员教我怎么回答的"),
    (Speaker.CALLER, "这属于销售误导，我要求全额退还保费，并且按照同期存款利率补偿利息"),
)  # fmt: skip
_PARTIAL_SHARES: Final = (0.4, 0.8)


def segments(turns: Sequence[Turn], *, length: timedelta) -> tuple[TranscriptSegment, ...]:
    """What a recogniser sends of a conversation: guesses of each turn, and then the turn.

    Args:
        turns: who says what.
        length: of the audio that they are spread over, by their characters.
    """
    each_s = length.total_seconds() / sum(len(text) for _, text in turns)
    return tuple(_segments(turns, each_s))


def _segments(turns: Sequence[Turn], each_s: float) -> Iterator[TranscriptSegment]:
    begun = 0
    for number, (speaker, text) in enumerate(turns):
        for characters in (*(round(share * len(text)) for share in _PARTIAL_SHARES), len(text)):
            yield TranscriptSegment(
                text=text[:characters],
                speaker=speaker,
                is_final=characters == len(text),
                segment_id=f"turn-{number}",
                start=timedelta(seconds=begun * each_s),
                end=timedelta(seconds=(begun + characters) * each_s),
            )
        begun += len(text)
