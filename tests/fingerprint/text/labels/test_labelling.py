"""Labelling texts as they were written, with the packs that ship and one of a site."""

from pathlib import Path

import pytest

from shengdun.fingerprint.errors import Status
from shengdun.fingerprint.text.errors import TextError
from shengdun.fingerprint.text.labels.errors import PackRefused
from shengdun.fingerprint.text.labels.labelling import TextLabels, canonical_form
from shengdun.fingerprint.text.labels.loading import load_packs

CUSTOMERS = "zh-proxy-complaints"
SITE = """
pack: bank-words
version: 1.0.0
language: zh
labels:
  - label: FEE_REFUND
    meaning:
      zh: 要求退还本行已收取的费用
      en: Demands fees of this bank back
    severity: LOW
    source: 本行消费者权益保护工作手册
    terms:
      - 退还账户管理费
  - label: THIRD_PARTY_AGENT
    extends: true
    terms:
      - 晴天信用管理公司
"""


@pytest.fixture
def site_pack(tmp_path: Path) -> Path:
    """A pack with a label of its own and a further term for one that ships."""
    file = tmp_path / "bank-words.yaml"
    file.write_text(SITE, encoding="utf-8")
    return file


def labels_with(*packs: Path) -> TextLabels:
    """The shipped pack for customers' words, and others."""
    return TextLabels(load_packs(packs, canonical=canonical_form, shipped=[CUSTOMERS]))


def test_places_are_those_of_the_text_as_it_was_written() -> None:
    """Whatever punctuation, width and letters beyond the basic plane stand in it."""
    text = "𠮷先生：我找了代理、維權的公司，ＡＰＰ上說可以停息 挂账。"
    found = labels_with().of(text)
    marked = {each.hit.term: text[each.hit.start : each.hit.end] for each in found}
    assert marked["代理维权"] == "代理、維權"
    assert marked["停息挂账"] == "停息 挂账"


def test_a_hit_says_what_it_means_and_whose_word_it_is(site_pack: Path) -> None:
    """The pack is the one that has the term, also where another defines the label."""
    labels = labels_with(site_pack)
    text = "晴天信用管理公司说能代理维权，还要退还账户管理费"
    found = {each.hit.term: each for each in labels.of(text)}
    shipped, site = labels.pack_ids
    assert shipped.startswith(f"{CUSTOMERS}@")
    assert site.startswith("bank-words@1.0.0+")
    assert found["晴天信用管理公司"].pack_id == site
    assert found["代理维权"].pack_id == shipped
    assert found["晴天信用管理公司"].meaning == found["代理维权"].meaning
    assert found["退还账户管理费"].pack_id == site
    assert found["退还账户管理费"].meaning.en == "Demands fees of this bank back"


def test_every_term_that_ships_has_its_pack() -> None:
    """Text made of nothing but the pack's own terms is labelled, and no hit is without an origin."""
    packs = load_packs((), canonical=canonical_form)
    terms = [term.written for label in packs.labels for term in label.vocabulary.terms]
    found = TextLabels(packs).of("。然后。".join(terms))
    assert {each.pack_id for each in found} == set(packs.pack_ids)


def test_nothing_is_found_in_nothing() -> None:
    """Nor in a text that says nothing of the kind."""
    assert labels_with().of("") == ()
    assert labels_with().of("请帮我查一下账单地址，谢谢") == ()


def test_mistakes_of_a_pack_are_errors_of_texts(site_pack: Path) -> None:
    """With the state they are in as their status: loading it again as it is changes nothing."""
    site_pack.write_text(SITE.replace("severity: LOW", "severity: SEVERE"), encoding="utf-8")
    with pytest.raises(
        TextError, match=r"bank-words\.yaml:10: .*SEVERE.*LOW, MEDIUM or HIGH"
    ) as refused:
        labels_with(site_pack)
    assert isinstance(refused.value, PackRefused)
    assert refused.value.status is Status.FAILED_PRECONDITION
