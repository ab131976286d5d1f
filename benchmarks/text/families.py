"""Scripts to plant: families of complaint texts with blanks, and made-up values for the blanks.

Everything here, the texts and the values, was written for this benchmark.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Final

import yaml

FAMILIES: Final = Path(__file__).with_name("script_families.yaml")
HONEST: Final = Path(__file__).with_name("honest_complaints.yaml")

_BLANK: Final = re.compile(r"\{(\w+)\}")
_SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN: Final = (
    "伟",
    "秀英",
    "建国",
    "丽华",
    "志强",
    "晓燕",
    "海波",
    "桂兰",
    "子轩",
    "文静",
    "永福",
    "春梅",
)
_BANKS: Final = (
    "海岸银行",
    "汇丰源银行",
    "江川银行",
    "北辰商业银行",
    "安和农商行",
    "东岭银行",
    "恒瑞银行",
)
_INSURERS: Final = ("长宁人寿", "泰福保险", "国安人寿", "众合财险", "阳晖人寿", "永祥保险")
_PLATFORMS: Final = ("快易贷", "金橙借款", "小豆分期", "随心融", "易得花", "蓝鲸金服")
_DIGITS: Final = "零一二三四五六七八九"


class Half(StrEnum):
    """What a text or a family serves: calibration is fitted on one half, figures come from the other."""

    FIT = "fit"
    EVALUATE = "evaluate"


def half_of(key: str) -> Half:
    """The half that a text or a family of this name belongs to, on every machine and in every run."""
    return (Half.FIT, Half.EVALUATE)[blake2b(key.encode(), digest_size=1).digest()[0] & 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One script: a text with blanks such as ``{amount}``."""

    family_id: str
    """Its name, which is the script's id wherever it is registered."""
    text: str
    """What is registered, once the blanks are filled."""
    paraphrase: str | None
    """The same thing said in other words by hand, with the same blanks."""

    @property
    def half(self) -> Half:
        """The half that it belongs to."""
        return half_of(self.family_id)


def read_families(path: Path = FAMILIES) -> tuple[Family, ...]:
    """The committed families, in the order of the file."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["families"]
    return tuple(
        Family(
            family_id=row["id"],
            text=_joined(row["text"]),
            paraphrase=_joined(row["paraphrase"]) if "paraphrase" in row else None,
        )
        for row in rows
    )


def registered(families: tuple[Family, ...]) -> dict[str, str]:
    """The scripts to register, by id: each family with its blanks filled in one way that never changes."""
    return {
        family.family_id: filled(family.text, Random(f"registered/{family.family_id}"))
        for family in families
    }


def honest_complaints(path: Path = HONEST) -> list[str]:
    """The committed complaints that follow no script, with their blanks filled in one way that never changes."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["complaints"]
    return [filled(row, Random(f"honest/{number}")) for number, row in enumerate(rows)]


def filled(text: str, rng: Random) -> str:
    """A text with its blanks filled; the same blank is filled alike wherever it occurs in the text."""
    values: dict[str, str] = {}

    def value(blank: re.Match[str]) -> str:
        return values.setdefault(blank[1], _FILLERS[blank[1]](rng))

    return _BLANK.sub(value, text)


def _joined(folded: str) -> str:
    return "".join(folded.split())


def _amount(rng: Random) -> str:
    thousands = f"{_DIGITS[rng.randint(1, 9)]}千{_DIGITS[rng.randint(1, 9)]}百"
    in_words = (thousands, f"{_DIGITS[rng.randint(1, 9)]}万{thousands}")
    return rng.choice((str(rng.randint(300, 99_999)), *in_words))


def _date(rng: Random) -> str:
    year, month, day = rng.randint(2019, 2025), rng.randint(1, 12), rng.randint(1, 28)
    written = (
        f"{year}年{month}月{day}号",
        f"{month}月{day}日",
        f"{year}年{month}月",
        f"去年{month}月份",
    )
    return rng.choice(written)


_FILLERS: Final[dict[str, Callable[[Random], str]]] = {
    "amount": _amount,
    "bank": lambda rng: rng.choice(_BANKS),
    "date": _date,
    "insurer": lambda rng: rng.choice(_INSURERS),
    "name": lambda rng: rng.choice(_SURNAMES) + rng.choice(_GIVEN),
    "platform": lambda rng: rng.choice(_PLATFORMS),
    "staff": lambda rng: rng.choice(_SURNAMES) + rng.choice(("经理", "柜员", "主管")),
    "years": lambda rng: _DIGITS[rng.randint(3, 9)],
}
