"""What customers have begun to say: from a file without a server, and over a real port."""

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from fixtures.command_line import Served, assert_one_error_line, shengdun
from fixtures.scripts import PRIVATE
from shengdun.service.client import ClientError, ShengdunClient
from shengdun.service.trend_days import periods

LAST = date(2026, 3, 20)
SUBJECTS = ("账单", "还款日", "积分", "年费", "额度", "密码", "地址", "网点", "利率")
WISHES = (
    "麻烦你帮我查一下{}是怎么回事，我等着用",
    "{}这个月跟上个月不一样，你给我解释解释",
    "请问{}要怎么办理，需要带什么证件过去",
    "我爱人的{}也有问题，可以一起处理吗",
)
DEMAND = "必须给我停息挂账六十期"


def ordinary(number: int) -> str:
    """What customers always say."""
    rng = Random(number)
    return rng.choice(WISHES).format(rng.choice(SUBJECTS))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five weeks of two lines; on one of them a demand begins in the last."""
    path = tmp_path / "texts.jsonl"
    rows = []
    for number in range(700):
        day = LAST - timedelta(days=number % 35)
        line = ("cards", "loans")[number // 35 % 2]
        begun = line == "cards" and LAST - day < timedelta(days=7) and number % 3 == 0
        rows.append(
            {
                "text": ordinary(number) + (f"，{DEMAND}，电话{PRIVATE}" if begun else ""),
                "date": day.isoformat(),
                "line": line,
                "customer": f"c-{number}",
            }
        )
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_file_without_a_server(file: Path) -> None:
    """What began in its last week rises; nothing personal is told."""
    result = shengdun("text", "trends", file)
    assert result.returncode == 0, result.stderr
    assert "2026-03-14 to 2026-03-20, 140 texts, compared with 560 of before" in result.stdout
    rising = result.stdout[result.stdout.index("rising") : result.stdout.index("hot")]
    assert "停息挂账" in rising
    assert PRIVATE not in result.stdout


def test_each_line_by_itself(file: Path) -> None:
    """The demand is one line's alone."""
    result = shengdun("text", "trends", file, "--by-line", "--json")
    told = {
        row["trends"]["line"]: row["trends"] for row in map(json.loads, result.stdout.splitlines())
    }
    assert sorted(told) == ["cards", "loans"]
    assert any("停息挂账" in trend["phrase"] for trend in told["cards"]["rising"])
    assert told["loans"]["rising"] == []


def test_another_period(file: Path) -> None:
    """Before the demand began nothing rises."""
    result = shengdun(
        "text", "trends", file, "--until", "2026-03-13", "--past-days", "14", "--json"
    )
    told = json.loads(result.stdout)
    assert (told["first_day"], told["last_day"]) == ("2026-03-07", "2026-03-13")
    assert (told["trends"]["rising"], told["trends"]["past_texts"]) == ([], 280)


def test_lines_that_are_no_texts_are_named(file: Path) -> None:
    """And the others told; the exit code says so."""
    file.write_text(file.read_text() + '\n{"text": "没有日期"}\nx\n', encoding="utf-8")
    result = shengdun("text", "trends", file)
    assert result.returncode == 1
    assert "texts.jsonl:701: date" in result.stderr
    assert "2 lines of texts.jsonl are not used" in result.stderr
    assert "停息挂账" in result.stdout


@pytest.mark.parametrize(
    ("content", "arguments", "code", "named"),
    [
        ("", (), 1, "no text that can be used"),
        ('{"text": "a", "date": "2026-03-02"}', ("--until", "soon"), 2, "--until"),
    ],
)
def test_what_is_no_question_is_one_line(
    tmp_path: Path, content: str, arguments: tuple[str, ...], code: int, named: str
) -> None:
    """That says what is wrong."""
    path = tmp_path / "texts.jsonl"
    path.write_text(content, encoding="utf-8")
    result = shengdun("text", "trends", path, *arguments)
    assert result.returncode == code
    assert_one_error_line(result, named)


def test_the_days_of_a_period() -> None:
    """Those before it end where it begins."""
    period, past = periods(LAST, days=1, past_days=2)
    assert (period.first, period.last) == (LAST, LAST)
    assert (past.first, past.last) == (LAST - timedelta(days=2), LAST - timedelta(days=1))
    period, past = periods(LAST, days=7, past_days=28)
    assert (period.first, past.last) == (date(2026, 3, 14), date(2026, 3, 13))
    assert past.first == date(2026, 2, 14)


@pytest.fixture
async def client(text_served: Served) -> AsyncIterator[ShengdunClient]:
    """A client of the server."""
    async with ShengdunClient.connect(text_served.address) as connected:
        yield connected


async def test_texts_that_a_server_was_given(client: ShengdunClient, text_served: Served) -> None:
    """Are counted by line; of nobody's texts and of repeats nothing is."""
    for number in range(12):
        await client.screen_text(
            f"{ordinary(number)}，{DEMAND}，电话{PRIVATE}",
            customer_reference=f"trend-{number}",
            line="collections",
        )
    await client.screen_text(
        f"{ordinary(0)}，{DEMAND}", customer_reference="trend-0", line="collections"
    )
    await client.screen_text(f"{ordinary(1)}，{DEMAND}", line="collections")
    told = await client.get_trends(line="collections")
    (line,) = told.lines
    assert (line.line, line.texts, line.past_texts) == ("collections", 12, 0)
    assert line.rising == ()
    (hot,) = [trend for trend in line.hot if "停息挂账" in trend.phrase]
    assert (hot.texts, hot.share) == (12, 1.0)
    assert 9 <= hot.customers <= 12
    assert PRIVATE not in "".join(trend.phrase for trend in line.hot)
    assert told.last_day - told.first_day == timedelta(days=6)
    assert told.first_day - told.past_first_day == timedelta(days=28)
    lines = {each.line for each in (await client.get_trends(by_line=True)).lines}
    assert "collections" in lines
    (everything,) = (await client.get_trends()).lines
    assert (everything.line, everything.texts >= 12) == ("", True)
    shown = text_served.run("campaign", "trends", "--line", "collections")
    assert "12 texts, compared with 0 of before" in shown.stdout
    assert "停息挂账" in shown.stdout


async def test_one_line_and_each_are_not_asked_for_at_once(client: ShengdunClient) -> None:
    """By name."""
    with pytest.raises(ClientError) as refused:
        await client.get_trends(line="collections", by_line=True)
    assert refused.value.reason == "INVALID_REQUEST"
