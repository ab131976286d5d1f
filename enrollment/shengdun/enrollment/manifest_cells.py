"""What the columns of a manifest are called, and what their cells may hold."""

import re
from datetime import datetime, time, timedelta, tzinfo
from enum import Enum
from typing import Final

from shengdun.enrollment.list_headers import Headers


class Column(Enum):
    """A column of a manifest; the value is its plain English name."""

    PATH = "path"
    ACTOR = "actor"
    NAME = "name"
    WATCHLISTS = "watchlists"
    ALIASES = "aliases"
    NETWORK = "network"
    SOURCE = "source"
    CASE_REFERENCE = "case_reference"
    LEGAL_BASIS = "legal_basis"
    NOTES = "notes"
    EXPIRES_AT = "expires_at"


_NAMES: Final[dict[Column, tuple[str, ...]]] = {
    Column.PATH: ("path", "file", "filename", "recording", "录音", "录音文件", "录音路径", "文件", "文件名", "路径"),
    Column.ACTOR: ("actor", "actorkey", "人员", "人员编号", "编号", "对象", "对象编号"),
    Column.NAME: ("name", "displayname", "姓名", "名称", "名字"),
    Column.WATCHLISTS: ("watchlists", "watchlist", "watchlistids", "watchlistid", "名单", "监控名单", "黑名单"),
    Column.ALIASES: ("aliases", "alias", "别名", "化名", "曾用名"),
    Column.NETWORK: ("network", "networkid", "gang", "团伙", "团伙编号", "网络"),
    Column.SOURCE: ("source", "来源", "线索来源"),
    Column.CASE_REFERENCE: ("casereference", "case", "caseid", "案件", "案件编号", "案号"),
    Column.LEGAL_BASIS: ("legalbasis", "法律依据", "合法性基础", "依据"),
    Column.NOTES: ("notes", "note", "remarks", "备注", "说明"),
    Column.EXPIRES_AT: ("expiresat", "expires", "expiretime", "expiry", "到期", "到期时间", "有效期", "有效期至"),
}  # fmt: skip
HEADERS: Final = Headers(_NAMES, of="manifest")
_SEPARATORS: Final = re.compile(r"[;；|、\n]")
_CHINESE_DATE: Final = re.compile(r"^(\d{4})[年/.](\d{1,2})[月/.](\d{1,2})日?")


def parse_list(cell: str) -> tuple[str, ...]:
    """The distinct entries of a cell with several, in order; separated by ``;``, ``；``, ``|`` or ``、``."""
    entries = (entry.strip() for entry in _SEPARATORS.split(cell))
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def parse_expiry(cell: str, zone: tzinfo) -> datetime:
    """The instant after which an actor is no longer screened.

    Args:
        cell: a date (``2027-03-31``, ``2027/3/31``, ``2027年3月31日``), which holds until its end, or an ISO 8601
            date and time.
        zone: the time zone of cells that name none.

    Raises:
        ValueError: it is neither.
    """
    text = _CHINESE_DATE.sub(lambda found: "{}-{:0>2}-{:0>2}".format(*found.groups()), cell.strip())
    instant = datetime.fromisoformat(text)
    if len(text) <= len("2027-03-31"):
        instant = datetime.combine(instant.date() + timedelta(days=1), time.min)
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)
