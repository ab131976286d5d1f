"""The packs that ship: that they are whole, and find what they are for."""

import pytest

from fixtures.canonical_texts import canonical, canonical_with_origins
from shengdun.fingerprint.text.labels.lexicon import Lexicon
from shengdun.fingerprint.text.labels.loading import load_packs
from shengdun.fingerprint.text.labels.pack import Label, Packs

PACKS: Packs = load_packs(canonical=canonical)
LEXICON = Lexicon(PACKS)
SAID = {
    "THIRD_PARTY_AGENT": [
        "我找了一家法务公司帮我处理",
        "这边是做债务优化的，成功率很高",
        "老师教我这么说的",
        "先交两千块服务费，他们帮我停息",
    ],
    "SPEAKS_FOR_ANOTHER": ["我代表客户跟你们协商一下", "我接受当事人的委托来沟通"],
    "REGULATOR_THREAT": [
        "再不处理我就打12378",
        "我要投诉到银保监会去",
        "我去金融监管总局举报你们",
        "我要去信访",
        "那我只能向人民银行反映，天天投诉",
    ],
    "DEMANDED_OUTCOME": [
        "我要求停息挂账，分六十期",
        "请减免我全部的利息和违约金",
        "我要全额退保",
        "把我征信上的逾期记录删除，消除逾期",
        "希望能延期还款",
    ],
    "COACHED_LEGAL": [
        "根据《商业银行信用卡业务监督管理办法》第七十条的规定，银行应当平等协商",
        "你们这是暴力催收",
        "请在三个工作日内给我书面答复",
        "我有还款意愿，但是目前没有还款能力",
        "民法典第六百八十条写得很清楚",
    ],
    "FORGED_EVIDENCE": [
        "我们可以代开病历",
        "贫困证明帮您办好再寄过去",
        "花钱找人办个证明就行",
        "到时候就说你有抑郁症",
    ],
    "PROHIBITED_WORDING_GUARANTEE": ["这款产品保本保息", "我保证您不亏，肯定能赚"],
    "PROHIBITED_WORDING_INSURANCE": ["有病史也不用写，什么都能赔"],
    "PROHIBITED_WORDING_COLLECTION": ["今天不还明天就抓你", "我们派人到你单位闹"],
    "PROHIBITED_WORDING_THIRD_PARTY": ["我会告诉你同事", "那就通知你所有的亲友你欠钱"],
    "PROHIBITED_WORDING_RIGHTS": ["你先撤诉我们才处理", "投诉也没用"],
}
ORDINARY = [
    "您好，我想查一下这个月的账单和还款日",
    "我的卡丢了，麻烦帮我挂失，再补办一张",
    "手机银行一直登录不上，验证码收不到",
    "请问逾期一天会不会上征信，上不上征信我很担心",
    "我用微信访问不了你们的小程序，马上访问又说超时",
    "这个产品是非保本的，不保证收益，您看清楚风险等级",
    "谢谢你的帮助，问题已经解决了",
    "外卖送晚了一个小时，饭都凉了，差评",
    "我想预约明天上午去网点办理大额取款",
    "结清以后，解除抵押需要哪些手续",
]


def name_of(label: Label) -> str:
    return label.name


def labels_in(text: str) -> set[str]:
    return {hit.label for hit in LEXICON.find(*canonical_with_origins(text))}


def test_the_packs_are_of_some_size() -> None:
    """Every label has examples in this file."""
    assert sum(len(label.vocabulary.terms) for label in PACKS.labels) >= 120
    assert {label.name for label in PACKS.labels} == set(SAID)


@pytest.mark.parametrize(
    ("label", "text"), [(label, text) for label, texts in SAID.items() for text in texts]
)
def test_what_a_label_is_for_is_found(label: str, text: str) -> None:
    assert label in labels_in(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_have_no_label(text: str) -> None:
    assert not labels_in(text)


@pytest.mark.parametrize("label", PACKS.labels, ids=name_of)
def test_every_term_is_found_by_itself(label: Label) -> None:
    """None is hidden by an exception or by a Latin word going on."""
    for term in label.vocabulary.terms:
        assert label.name in labels_in(f"他说{term.written}吗"), term.written


@pytest.mark.parametrize("label", PACKS.labels, ids=name_of)
def test_every_label_says_what_it_means_and_follows(label: Label) -> None:
    assert label.source
    assert label.meaning.en.isascii()
    assert any("\u4e00" <= character <= "\u9fff" for character in label.meaning.zh)
