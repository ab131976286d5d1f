"""Wording that different customers share."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from shengdun.index.campaigns.campaign import Resemblance
from shengdun.index.campaigns.exclusions import Exclusions, default_exclusions
from shengdun.index.campaigns.recent import Limits
from shengdun.index.campaigns.watching import CampaignWatch
from shengdun.index.scripts.background import default_background, learn
from shengdun.index.scripts.matching import ScriptIndex

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

INSTALMENT = (
    "贵行在电话里只说每期手续费很低，对折算成年利率是多少只字不提，这种做法掩盖了真实的借款成本，严重损害了我的知情权和自主选择权。"
    "现在我的诉求是把已经扣收的分期手续费如数退还，没有到期的部分立刻停止收取，同时把当初外呼的录音完整提供给我本人核对。"
)
COLLECTION = (
    "外包催收连着半个月从早到晚轮番拨打我父母和同事的手机，张口就骂还扬言要上门贴大字报，我七十岁的母亲被吓得住进了医院。"
    "请你们书面说明是谁把我的通讯录交给外包公司的，立即召回委外并且登门赔礼，否则我会把证据一并寄给媒体和监管。"
)
OPENINGS = (
    "喂你好，我想反映一下我那张卡的事情，上周就打过一次了没人管，",
    "客服你听我讲啊，我老公让我来问的，这个钱不明不白扣了大半年，",
    "您好，我在外地出差信号不太好，麻烦你帮我记录清楚一点，",
    "是这样的姑娘，我年纪大了说话慢，你别着急听我从头说起，",
    "我先把话放在前面，今天不给我一个说法我是不会挂电话的，",
)
CLOSINGS = (
    "我电话一直开着，你们主管几点能回我？",
    "行，那我等到后天，别又跟上回似的不了了之。",
    "资料我都留着呢，要寄到哪里你发短信给我。",
    "孩子还等着我去接，今天先说到这儿吧。",
    "你工号多少我记一下，回头好找你。",
)
DISCLOSURE = (
    "本次通话将全程录音，您申请的账单分期业务一经办理成功不可撤销，提前结清仍须一次性支付剩余各期的手续费，"
    "具体金额以账单为准，请您确认已经知晓并同意上述内容。"
)


class Watched:
    """A watch that is told texts one hour after the other."""

    def __init__(self, watch: CampaignWatch) -> None:
        self.watch = watch
        self.told = 0

    def see(
        self, text: str, customer: str, *, at: datetime | None = None, line: str = "hotline"
    ) -> Resemblance:
        """Tell it the next text."""
        number = self.told
        self.told += 1
        return self.watch.see(
            text,
            text_id=f"call-{number}",
            customer=customer,
            line=line,
            seen_at=at or BEGAN + timedelta(hours=number),
        )


@pytest.fixture
def watched() -> Watched:
    """Nothing seen yet."""
    return Watched(CampaignWatch())


def spoken(script: str, number: int) -> str:
    """A script in words of one's own."""
    return OPENINGS[number] + script + CLOSINGS[number]


def test_different_customers_with_one_story_are_a_campaign(watched: Watched) -> None:
    """From the second of them on; who came first belongs to it too."""
    first = watched.see(spoken(INSTALMENT, 0), "ann")
    assert first.campaign_id is None
    assert first.llr < 0.0
    second = watched.see(spoken(INSTALMENT, 1), "bob", line="collections")
    third = watched.see(spoken(INSTALMENT, 2), "cem")
    assert second.llr > 4.0
    assert second.text_ids == ("call-0",)
    assert third.campaign_id == second.campaign_id
    [campaign] = watched.watch.campaigns()
    assert campaign.campaign_id == second.campaign_id
    assert [member.text_id for member in campaign.members] == ["call-0", "call-1", "call-2"]
    assert campaign.customers == 3
    assert campaign.lines == ("collections", "hotline")
    assert campaign.first_seen_at == BEGAN
    assert campaign.last_seen_at == BEGAN + timedelta(hours=2)


def test_a_customer_who_repeats_himself_is_no_campaign(watched: Watched) -> None:
    """The same letter four times."""
    for _ in range(4):
        assert watched.see(INSTALMENT, "ann").campaign_id is None
    assert watched.watch.campaigns() == []


def test_customers_who_speak_for_themselves_are_no_campaign(watched: Watched) -> None:
    """The same grievance in words of their own; greetings and statutes that everybody names."""
    own = (
        "你好我要投诉，你们银行给我办分期的时候没讲清楚利息，我觉得被骗了，根据商业银行信用卡业务监督管理办法你们应该退钱。",
        "您好请问是客服吗，分期手续费怎么这么贵啊，当时那个小姑娘说没多少的，中华人民共和国消费者权益保护法写了要告知的吧。",
        "尊敬的客服人员您好，账单上多出来的那笔费用我不认可，商业银行信用卡业务监督管理办法规定得很清楚，麻烦查一下。",
        "喂你好请问是客服吗，我分期的手续费想退一下，中华人民共和国消费者权益保护法不是说可以退的嘛，你帮我问问。",
    )
    for number, text in enumerate(own):
        assert watched.see(text, f"customer-{number}").campaign_id is None


def test_what_the_words_sound_like_is_enough(watched: Watched) -> None:
    """A recogniser wrote one of the calls with other characters."""
    watched.see(spoken(COLLECTION, 0), "ann")
    misheard = spoken(COLLECTION, 1).translate(
        str.maketrans("催收半轮拨骂贴母医书", "崔守办伦波马帖亩衣叔")
    )
    assert watched.see(misheard, "bob").campaign_id is not None


def test_what_they_share_can_become_a_script(watched: Watched) -> None:
    """Without what is each one's own, with particulars masked, and good enough to find the next one by."""
    for number, amount in enumerate(("3820", "15600.5", "990")):
        watched.see(
            spoken(INSTALMENT + f"金额总共{amount}元整必须原路退回到我的账户里面", number),
            f"c{number}",
        )
    [campaign] = watched.watch.campaigns()
    shared = watched.watch.shared_wording(campaign.campaign_id)
    assert shared is not None
    assert shared.customers == 3
    assert "严重损害了我的知情权和自主选择权" in shared.script_text
    assert "3820" not in shared.script_text
    assert not any(opening[6:16] in shared.script_text for opening in OPENINGS)
    assert all(passage.customers == 3 for passage in shared.passages)
    known = ScriptIndex()
    known.add("promoted", shared.script_text)
    [match] = known.match(spoken(INSTALMENT, 4))
    assert match.llr > 0.0


def test_two_scripts_in_one_call_stay_two_campaigns(watched: Watched) -> None:
    """Whoever uses both belongs to the one that he uses more of."""
    for number in range(3):
        watched.see(spoken(INSTALMENT, number), f"a{number}")
        watched.see(COLLECTION, f"b{number}")
    both = watched.see(spoken(INSTALMENT + COLLECTION[:60], 3), "both")
    assert both.campaign_id == "cmp_call-0"
    watched.see(spoken(COLLECTION, 4), "b4")
    assert [campaign.customers for campaign in watched.watch.campaigns()] == [4, 4]


def test_what_the_institution_reads_out_counts_for_nothing() -> None:
    """Where it was listed beforehand."""
    listed = default_exclusions().with_more(Exclusions.of([DISCLOSURE]))
    watched = Watched(CampaignWatch(exclusions=listed))
    for number in range(4):
        assert watched.see(spoken(DISCLOSURE, number), f"customer-{number}").campaign_id is None
    assert watched.see(INSTALMENT, "ann").campaign_id is None
    assert watched.see(INSTALMENT, "bob").campaign_id is not None


def test_what_a_lines_calls_have_in_common_counts_for_nothing() -> None:
    """Learnt from some of them, without anybody listing it."""
    own = learn([spoken(DISCLOSURE, number) for number in range(5)], least_documents=2)
    watched = Watched(CampaignWatch(backgrounds=[default_background(), own]))
    for number in range(4):
        assert watched.see(DISCLOSURE, f"customer-{number}").campaign_id is None
    watched.see(INSTALMENT, "ann")
    assert watched.see(INSTALMENT, "bob").campaign_id is not None


def test_a_campaign_of_excluded_wording_comes_apart(watched: Watched) -> None:
    """Once somebody says what it is; others stay, and so does who has more in common."""
    for number in range(3):
        watched.see(spoken(DISCLOSURE, number), f"a{number}")
        watched.see(COLLECTION, f"b{number}")
    both = [watched.see(spoken(DISCLOSURE + INSTALMENT, number), f"c{number}") for number in (3, 4)]
    assert len(watched.watch.campaigns()) == 2
    assert both[0].campaign_id == both[1].campaign_id
    watched.watch.exclude([DISCLOSURE])
    members = [
        {member.customer for member in campaign.members} for campaign in watched.watch.campaigns()
    ]
    assert sorted(map(sorted, members)) == [["b0", "b1", "b2"], ["c3", "c4"]]


def test_a_look_leaves_nothing_behind(watched: Watched) -> None:
    """It tells what seeing would, but for itself."""
    watched.see(spoken(COLLECTION, 0), "ann")
    looked = watched.watch.look(spoken(COLLECTION, 1), customer="bob")
    assert looked.text_ids == ("call-0",)
    assert looked.campaign_id is None
    assert len(watched.watch) == 1
    assert watched.watch.look(spoken(COLLECTION, 1), customer="ann").text_ids == ()
    seen = watched.see(spoken(COLLECTION, 1), "bob")
    assert seen.llr == looked.llr
    assert watched.watch.look(spoken(COLLECTION, 2), customer="cem").campaign_id == seen.campaign_id


def test_texts_are_forgotten_by_number_and_by_age() -> None:
    """The oldest first; a campaign goes with its last text and keeps the day on which it began."""
    watched = Watched(CampaignWatch(limits=Limits(texts=3, age=timedelta(days=30))))
    for number in range(5):
        watched.see(spoken(INSTALMENT, number), f"customer-{number}")
    [campaign] = watched.watch.campaigns()
    assert [member.text_id for member in campaign.members] == ["call-2", "call-3", "call-4"]
    assert campaign.first_seen_at == BEGAN
    late = watched.see(spoken(INSTALMENT, 0), "late", at=BEGAN + timedelta(days=31))
    assert late.campaign_id is None
    assert len(watched.watch) == 1
    assert watched.watch.campaigns(least_customers=1) == []
    assert watched.watch.campaign(campaign.campaign_id) is None


def test_a_customers_texts_can_be_erased(watched: Watched) -> None:
    """All of them, wherever they belong."""
    for number in range(3):
        watched.see(spoken(INSTALMENT, number), f"customer-{number}")
    watched.see(CLOSINGS[3], "customer-1")
    assert watched.watch.forget_customer("customer-1") == 2
    assert watched.watch.forget_customer("customer-1") == 0
    [campaign] = watched.watch.campaigns()
    assert {member.customer for member in campaign.members} == {"customer-0", "customer-2"}
    assert watched.watch.forget("call-0")
    assert not watched.watch.forget("call-0")
    assert watched.watch.campaigns() == []


def test_a_text_that_comes_again_takes_its_own_place(watched: Watched) -> None:
    """The whole transcript of a call whose beginning was seen."""
    watched.see(spoken(INSTALMENT, 0), "ann")
    for length in (20, 60, 200):
        text = spoken(INSTALMENT, 1)[:length]
        told = watched.watch.see(
            text, text_id="grows", customer="bob", line="hotline", seen_at=BEGAN
        )
    assert told.text_ids == ("call-0",)
    assert len(watched.watch) == 2
    [campaign] = watched.watch.campaigns()
    assert [member.text_id for member in campaign.members] == ["call-0", "grows"]
    assert campaign.first_seen_at == BEGAN


def test_who_founded_a_campaign_can_found_another(watched: Watched) -> None:
    """A text that comes again says something else; the first campaign keeps its id."""
    for number in range(3):
        watched.see(spoken(INSTALMENT, number), f"customer-{number}")
    watched.watch.see(COLLECTION, text_id="call-0", customer="ann", line="", seen_at=BEGAN)
    watched.see(COLLECTION, "bob")
    first, second = watched.watch.campaigns()
    assert first.campaign_id == "cmp_call-0"
    assert second.campaign_id != first.campaign_id
    assert [member.text_id for member in second.members] == ["call-0", "call-3"]
    assert watched.watch.campaign(second.campaign_id) == second
    assert watched.watch.campaign("cmp_unheard-of") is None
    assert watched.watch.shared_wording("cmp_unheard-of") is None


def test_campaigns_that_prove_to_be_one_keep_both_ids(watched: Watched) -> None:
    """Two halves of a story are two until somebody tells the whole of it twice over."""
    half = INSTALMENT.index("现在我的诉求")
    for number in range(2):
        watched.see(spoken(INSTALMENT[: half + 32], number), f"a{number}")
        watched.see(INSTALMENT[half:], f"b{number}")
    whole = watched.see(INSTALMENT, "whole")
    [campaign] = watched.watch.campaigns()
    assert campaign.customers == 5
    for campaign_id in (campaign.campaign_id, *campaign.absorbed):
        assert watched.watch.campaign(campaign_id) == campaign
    assert whole.campaign_id == campaign.campaign_id


def test_growth_counts_new_customers_of_the_last_days(watched: Watched) -> None:
    """One, and ten days later three on two days, one of them twice."""
    days = (("ann", 0), ("bob", 10), ("cem", 10), ("cem", 10), ("dee", 11))
    for number, (customer, day) in enumerate(days):
        watched.see(spoken(COLLECTION, number), customer, at=BEGAN + timedelta(days=day))
    [campaign] = watched.watch.campaigns()
    assert list(campaign.by_day.values()) == [1, 2, 1]
    assert campaign.growth_per_day == pytest.approx(3 / 7)


def test_the_same_texts_make_the_same_campaigns() -> None:
    """Whatever was hashed in whichever order."""

    def run() -> list[tuple[str, ...]]:
        watched = Watched(CampaignWatch())
        for number in range(5):
            watched.see(spoken((INSTALMENT, COLLECTION)[number % 2], number), f"c{number}")
        return [
            (campaign.campaign_id, *(member.text_id for member in campaign.members))
            for campaign in watched.watch.campaigns()
        ]

    assert run() == run()
    assert len(run()) == 2


def test_threads_take_turns() -> None:
    """Four tell it texts while it is looked at, and nothing is lost or told twice."""
    watch = CampaignWatch(limits=Limits(texts=30))

    def tell(thread: int) -> None:
        for number in range(20):
            name = f"{thread}-{number}"
            watch.see(
                spoken(INSTALMENT, number % 5), text_id=name, customer=name, line="", seen_at=BEGAN
            )
            watch.look(COLLECTION, customer="nobody")
            for campaign in watch.campaigns():
                watch.shared_wording(campaign.campaign_id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(tell, range(4)))
    [campaign] = watch.campaigns()
    assert len(watch) == 30
    assert len({member.text_id for member in campaign.members}) == len(campaign.members) == 30


@pytest.mark.parametrize("text", ["", "嗯", "。。。", "\x00\u202e\ud800", "1" * 5000, "好" * 5000])
def test_nothing_to_go_by_is_no_campaign_and_no_error(watched: Watched, text: str) -> None:
    """Empty, one filler, punctuation, controls, a number, a stuck key."""
    assert watched.see(text, "ann").text_ids == ()
    assert watched.see(text, "bob").text_ids == ()


def test_a_text_of_nobody_is_refused(watched: Watched) -> None:
    """And so is one of no time zone."""
    with pytest.raises(ValueError, match="customer"):
        watched.see(INSTALMENT, "")
    with pytest.raises(ValueError, match="time zone"):
        watched.see(INSTALMENT, "ann", at=datetime(2026, 3, 2))  # noqa: DTZ001 (that is the case)
