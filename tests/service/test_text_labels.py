"""Labels on screened texts, over a real port and from the command line."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fixtures.command_line import Served, clean_environment, shengdun
from fixtures.scripts import COERCED, ORDINARY
from fixtures.text_service import SITE_PACK
from shengdun.service.client import LabelSeverity, ShengdunClient
from shengdun.service.convert.texts import MOST_LABELS

LETTER = "😀您好，代理维权的公司说可以停息、挂账。请退还账户管理费，否则我打12378。"


@pytest.fixture
async def client(text_served: Served) -> AsyncIterator[ShengdunClient]:
    """A client of the server with the site's words."""
    async with ShengdunClient.connect(text_served.address) as connected:
        yield connected


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The site's pack as a file."""
    file = tmp_path / "words.yaml"
    file.write_text(SITE_PACK, encoding="utf-8")
    return file


async def test_words_are_labelled_and_flag_nobody(client: ShengdunClient) -> None:
    """Label, severity, term, place in code points, both meanings and pack; no flag comes of them."""
    screened = await client.screen_text(LETTER)
    assert not screened.flags
    found = {label.term: label for label in screened.labels}
    agent = found["代理维权"]
    assert (agent.label, agent.severity) == ("THIRD_PARTY_AGENT", LabelSeverity.HIGH)
    assert LETTER[agent.start : agent.end] == "代理维权"
    assert "代理维权" in agent.meaning_zh
    assert agent.meaning_en.isascii()
    assert LETTER[found["停息挂账"].start : found["停息挂账"].end] == "停息、挂账"
    shipped, site = screened.label_pack_ids
    assert found["退还账户管理费"].pack_id == site
    assert site.startswith("bank-words@1.0.0+")
    assert agent.pack_id == shipped
    assert agent.source
    assert found["退还账户管理费"].source == "本行消费者权益保护工作手册"
    assert screened.labels_found == len(screened.labels)


async def test_the_staffs_words_are_not_looked_for_in_customers_texts(
    client: ShengdunClient,
) -> None:
    """A customer who repeats what was promised to them has said nothing that they must not."""
    screened = await client.screen_text("你们的客户经理当时向我承诺保本保收益，零风险，刚性兑付。")
    assert not [label for label in screened.labels if "PROHIBITED_WORDING" in label.label]


async def test_an_ordinary_letter_has_none(client: ShengdunClient) -> None:
    """And is searched with the packs all the same."""
    screened = await client.screen_text(ORDINARY)
    assert (screened.labels, screened.labels_found) == ((), 0)
    assert len(screened.label_pack_ids) == 2


async def test_a_text_full_of_them_fits_into_a_message(client: ShengdunClient) -> None:
    """The first are told, and how many there are."""
    text = "".join(f"{chr(0x4E00 + number)}代理维权。" for number in range(20_000))
    screened = await client.screen_text(text)
    assert len(screened.labels) == MOST_LABELS
    assert screened.labels_found > 19_000


def test_a_text_is_labelled_without_a_server(tmp_path: Path, pack: Path) -> None:
    """With the shipped pack, those of the settings and those named."""
    letter = tmp_path / "letter.txt"
    letter.write_bytes(LETTER.encode("gb18030"))
    plain = shengdun("text", "labels", letter, cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert "HIGH    THIRD_PARTY_AGENT  代理维权" in plain.stdout
    assert "FEE_REFUND" not in plain.stdout
    config = tmp_path / "site.toml"
    config.write_text(f'[text]\nlabel_packs = ["{pack}"]\n', encoding="utf-8")
    for option in (("--pack", pack), ("--config", config)):
        lines = shengdun("text", "labels", letter, *option, "--json").stdout.splitlines()
        (refund,) = [row for row in map(json.loads, lines) if row["label"] == "FEE_REFUND"]
        assert LETTER[refund["start"] : refund["end"]] == "退还账户管理费"
        assert refund["severity"] == "low"
        assert refund["meaning_zh"] == "要求退还本行已收取的费用"


def test_the_institutions_own_letters(tmp_path: Path) -> None:
    """What staff must not say is looked for when it is asked for."""
    letter = tmp_path / "ours.txt"
    letter.write_text("本产品保本保收益，请放心购买。", encoding="utf-8")
    assert "PROHIBITED" not in shengdun("text", "labels", letter).stdout
    assert "PROHIBITED_WORDING_GUARANTEE" in shengdun("text", "labels", letter, "--staff").stdout


def test_a_bad_pack_stops_the_server_and_the_doctor_says_why(
    tmp_path: Path, pack: Path, models_dir: Path
) -> None:
    """With file, line and what to do."""
    pack.write_text(SITE_PACK.replace("severity: LOW", "severity: SEVERE"), encoding="utf-8")
    missing = tmp_path / "missing.yaml"
    config = tmp_path / "site.toml"
    config.write_text(f'[text]\nlabel_packs = ["{pack}", "{missing}"]\n', encoding="utf-8")
    places = ("--config", config, "--data-dir", tmp_path / "data")
    started = shengdun("serve", *places, "--models-dir", models_dir, "--port", "0")
    assert started.returncode == 1
    assert not started.stdout
    for said in (f"{pack}:10: no severity, 'SEVERE': write LOW", f"{missing}: no such file"):
        assert said in started.stderr
    result = shengdun(
        "doctor", *places, "--json", environment={"SHENGDUN_MODELS_DIR": str(models_dir)}
    )
    findings = {row["subject"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert findings["label packs"]["verdict"] == "FAIL"
    assert f"{pack}:10" in findings["label packs"]["message"]
    assert str(pack) in shengdun("config", *places).stdout


def test_the_doctor_names_the_packs(tmp_path: Path, pack: Path) -> None:
    """By name, version and content."""
    environment = clean_environment(SHENGDUN_MODELS_DIR=str(tmp_path / "none"))
    config = tmp_path / "site.toml"
    config.write_text(f'[text]\nlabel_packs = ["{pack}"]\n', encoding="utf-8")
    result = shengdun(
        "doctor", "--config", config, "--data-dir", tmp_path / "data", environment=environment
    )
    (line,) = [line for line in result.stdout.splitlines() if "label packs" in line]
    assert line.startswith("OK")
    assert "zh-proxy-complaints@" in line
    assert "bank-words@1.0.0+" in line


def test_a_letter_that_agents_hand_out_is_labelled(tmp_path: Path) -> None:
    """Its threat with the public hotline is among what is shown."""
    letter = tmp_path / "coerced.txt"
    letter.write_text(COERCED, encoding="utf-8")
    rows = [
        json.loads(line)
        for line in shengdun("text", "labels", letter, "--json").stdout.splitlines()
    ]
    assert any("12378" in COERCED[row["start"] : row["end"]] for row in rows)
