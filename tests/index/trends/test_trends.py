"""Hot and rising phrases."""

from collections import Counter
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shengdun.index.trends.counts import NO_COUNTS, Counting, counts_of, together
from shengdun.index.trends.daily import CountedText, DailyPhrases, Period, trends
from shengdun.index.trends.phrases import phrases_of, written
from shengdun.index.trends.ranking import Floors, Trends

TODAY = date(2026, 3, 20)
SUBJECTS = ("账单", "还款日", "积分", "年费", "额度", "密码", "地址", "短信提醒", "网点", "利率")
WISHES = (
    "麻烦你帮我查一下{}是怎么回事，我等着用",
    "{}这个月跟上个月不一样，你给我解释解释",
    "我想改一下{}，手机上点不进去",
    "上回说好的{}到现在没有弄好，孩子都放学了",
    "请问{}要怎么办理，需要带什么证件过去",
    "我爱人的{}也有问题，可以一起处理吗",
)
NEW = "你们必须给我停息挂账，否则我就去信访"


def ordinary(number: int) -> str:
    """What customers always say."""
    rng = Random(number)
    return rng.choice(WISHES).format(rng.choice(SUBJECTS))


def texts(numbers: range, *, new_one_in: int = 0) -> list[CountedText]:
    """Ordinary texts of different customers; some end with the new demand."""
    return [
        CountedText(
            text=ordinary(number) + (f"，{NEW}" if new_one_in and number % new_one_in == 0 else ""),
            customer=f"customer-{number}",
        )
        for number in numbers
    ]


def phrases(told: Trends) -> list[str]:
    """The phrases that rise."""
    return [trend.phrase for trend in told.rising]


def test_a_new_demand_rises() -> None:
    """As a whole and not in pieces; what is always said doesn't."""
    told = trends(texts(range(300), new_one_in=10), texts(range(300, 1500)))
    assert phrases(told) == ["你们必须给我停息挂账", "否则我就去信访"]
    rising = told.rising[0]
    assert (rising.texts, rising.past_share) == (30, 0.0)
    assert rising.share == pytest.approx(0.1)
    assert 25 <= rising.customers <= 30
    assert rising.growth > 50.0
    assert (told.texts, told.past_texts, told.missed) == (300, 1200, 0)


def test_nothing_rises_that_was_there_before() -> None:
    """The same share of it in the past, or of everything."""
    steady = texts(range(300, 1500), new_one_in=10)
    assert phrases(trends(texts(range(300), new_one_in=10), steady)) == []
    assert phrases(trends(texts(range(300)), texts(range(300, 1500)))) == []
    assert phrases(trends(texts(range(300), new_one_in=10), [])) == []


def test_one_customer_makes_no_trend() -> None:
    """However many letters he sends; nor do three texts."""
    past = texts(range(1500))
    repeated = [CountedText(text=f"{ordinary(n)}，{NEW}", customer="ann") for n in range(60)]
    assert phrases(trends([*texts(range(240)), *repeated], past)) == []
    few = [CountedText(text=NEW, customer=f"customer-{number}") for number in range(3)]
    assert phrases(trends([*texts(range(240)), *few], past)) == []
    floors = Floors(texts=3, score=3.0)
    assert phrases(trends([*texts(range(240)), *few], past, floors=floors)) != []


def test_hot_phrases_are_not_what_everybody_says() -> None:
    """The demand is among them without any past; what as many say to open a call is not."""
    opening = "你好我想咨询一下"
    greeted = [
        CountedText(text=opening * (number % 6 == 1) + each.text, customer=each.customer)
        for number, each in enumerate(texts(range(300), new_one_in=6))
    ]
    told = trends(greeted, [])
    hot = [trend.phrase for trend in told.hot]
    assert "你们必须给我停息挂账" in hot
    assert not any("我想咨询一下" in phrase for phrase in hot)
    assert told.rising == ()


def test_particulars_are_in_no_phrase() -> None:
    """Numbers differ and are left out; what stands on either side is kept apart."""
    many = [
        CountedText(text=f"请退还违规收取{number}元现金", customer=f"c{number}")
        for number in range(1000, 1040)
    ]
    told = trends(many, texts(range(300)))
    assert "请退还违规收取" in phrases(told)
    assert not any(character.isdigit() for phrase in phrases(told) for character in phrase)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="退保停息挂账，0的 ", max_size=30), max_size=8))
def test_counts_are_those_of_texts_that_have_a_phrase(said: list[str]) -> None:
    """One for each text, however often it has it, in whatever order they are put together."""
    expected: Counter[str] = Counter()
    for text in said:
        expected.update(set(written(phrases_of(text).letters)))
    counting = Counting(1000)
    for number, text in enumerate(said):
        counting.add(counts_of(text, f"customer-{number}"))
    counts = counting.counts
    found = dict(zip(written(counts.phrases.letters), counts.documents.tolist(), strict=True))
    assert found == dict(expected)
    assert counts.texts == len(said)
    parts = [counts_of(text, f"customer-{number}") for number, text in enumerate(said)]
    again = together([NO_COUNTS, *reversed(parts)])
    assert again.documents.tolist() == counts.documents.tolist()
    assert again.boxes.tolist() == counts.boxes.tolist()


def test_counts_in_little_room_say_how_much_they_missed() -> None:
    """No phrase is counted too high, nor lower than that."""
    full, narrow = Counting(1_000_000), Counting(300)
    for number, each in enumerate(texts(range(400), new_one_in=4)):
        for counting in (full, narrow):
            counting.add(counts_of(each.text, f"customer-{number}"))
    exact, kept = full.counts, narrow.counts
    assert len(kept.documents) <= 300
    assert 0 < kept.missed < 400
    hashes = exact.phrases.hashes
    short = exact.of(hashes) - kept.of(hashes)
    assert short.min() == 0
    assert short.max() <= kept.missed


def test_customers_are_counted_closely_where_they_are_few() -> None:
    """Three, thirty; and never more than there are texts."""
    for count in (1, 3, 30, 100):
        counts = together([counts_of(NEW, f"customer-{number}") for number in range(count)])
        assert counts.customers.max() == pytest.approx(count, rel=0.35)
        assert counts.customers.max() <= count


@pytest.fixture
def daily() -> DailyPhrases:
    """Three weeks of two lines; on one of them something begins in the last three days."""
    daily = DailyPhrases(days=30)
    for day in range(21):
        new = 5 if day >= 18 else 0
        for each in texts(range(100 * day, 100 * day + 60), new_one_in=new):
            daily.add(
                each.text,
                customer=each.customer,
                line="hotline",
                day=date(2026, 2, 28) + timedelta(day),
            )
        for each in texts(range(100 * day + 60, 100 * day + 100)):
            daily.add(
                each.text,
                customer=each.customer,
                line="sales",
                day=date(2026, 2, 28) + timedelta(day),
            )
    return daily


def test_days_add_up_by_line(daily: DailyPhrases) -> None:
    """It rises where it began, and in all lines together."""
    period = Period(first=TODAY - timedelta(days=2), last=TODAY)
    past = period.before(14)
    hotline = daily.trends(period, past, line="hotline")
    assert "否则我就去信访" in phrases(hotline)
    assert (hotline.texts, hotline.past_texts) == (180, 840)
    assert phrases(daily.trends(period, past, line="sales")) == []
    every = daily.trends(period, past)
    assert "否则我就去信访" in phrases(every)
    assert every.texts == 300
    assert daily.lines == ("hotline", "sales")


def test_days_are_let_go_and_late_texts_still_count(daily: DailyPhrases) -> None:
    """As long as their day is kept."""
    daily.add(NEW, customer="late", line="hotline", day=TODAY - timedelta(days=5))
    week = Period(first=TODAY - timedelta(days=5), last=TODAY - timedelta(days=5))
    assert daily.trends(week, week.before(3), line="hotline").texts == 61
    daily.add(NEW, customer="new", line="hotline", day=TODAY + timedelta(days=26))
    daily.add(NEW, customer="too late", line="hotline", day=TODAY - timedelta(days=5))
    assert daily.trends(week, week.before(3)).texts == 0
    assert daily.trends(Period(first=TODAY, last=TODAY), week).texts == 100
    assert daily.nbytes > 0


def test_periods_are_days_in_order() -> None:
    """One that ends before it begins is refused; the past ends on the day before."""
    with pytest.raises(ValueError, match="ends on its first day"):
        Period(first=TODAY, last=TODAY - timedelta(days=1))
    assert Period(first=TODAY, last=TODAY).before(7) == Period(
        first=TODAY - timedelta(days=7), last=TODAY - timedelta(days=1)
    )
    with pytest.raises(ValueError, match="one day"):
        DailyPhrases(days=0)


@pytest.mark.parametrize("text", ["", "嗯", "。。。", "\x00\u202e\ud800", "1" * 500, "𠮷" * 50])
def test_nothing_to_go_by_is_no_phrase_and_no_error(text: str) -> None:
    """Empty, one filler, punctuation, controls, a number, characters beyond the basic plane."""
    assert written(phrases_of(text).letters) == []
