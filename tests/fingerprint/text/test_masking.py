import pytest
from hypothesis import given

from fingerprint.text.texts import texts
from shengdun.fingerprint.text.masking import mask
from shengdun.fingerprint.text.normalise import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我叫王小明，要投诉", "我叫〔人名〕，要投诉"),
        ("我是欧阳女士", "我是〔人名〕女士"),
        ("姓名：张三", "姓名：〔人名〕"),
        ("投诉人：努尔江", "投诉人：〔人名〕"),
        ("谢谢王经理和李晓华老师", "谢谢〔人名〕经理和〔人名〕老师"),
        ("谢谢李华先生", "谢谢〔人名〕先生"),
        ("还了１２３次", "还了〔数〕次"),
        ("一百二十三笔", "〔数〕笔"),
        ("还剩两万三", "还剩〔数〕"),
        ("年利率36%，即百分之三点五", "年利率〔数〕，即〔数〕"),
        ("三分之一", "〔数〕"),
        ("逾期三个月", "逾期〔数〕个月"),
        ("2024年3月5日", "〔时间〕"),
        ("二零二四年三月五号", "〔时间〕"),
        ("2024-03-05 14:30", "〔时间〕 〔时间〕"),
        ("下午三点半，三点十五分", "下午〔时间〕，〔时间〕"),
        ("¥3,000.00", "〔金额〕"),
        ("三千块，5万元，2w", "〔金额〕，〔金额〕，〔金额〕"),
        ("1234567.50元", "〔金额〕"),
        ("二十多万元", "〔金额〕"),
        ("电话13800138000", "电话〔号码〕"),
        ("电话138-0013-8000", "电话〔号码〕"),
        ("电话一三八零零幺三八零零零", "电话〔号码〕"),
        ("身份证11010119900307123X", "身份证〔号码〕"),
        ("卡号6222 0212 3456 7890 123", "卡号〔号码〕"),
        ("邮箱a.b@qq.com", "邮箱〔网址〕"),
        ("见https://www.abc.com/x?y=1。", "见〔网址〕。"),
        ("ｗｗｗ．abc．com", "〔网址〕"),
        ("工号1024号", "工号〔数〕号"),
        ("1000-2000元", "〔数〕-〔金额〕"),
    ],
)
def test_particulars_are_replaced(text: str, expected: str) -> None:
    """In digits and in words; all else stays as it was written."""
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "一定",
            "一起",
            "三方",
            "万一",
            "统一",
            "十分",
            "一直",
            "第三方",
            "千万别",
            "一一说明",
            "统一一下",
            "一块去",
            "一个人",
        ),
        *(
            "万一一直",
            "唯一",
            "一点都不",
            "乱七八糟",
            "一方面",
            "单一",
            "逐一",
            "五花八门",
            "两面三刀",
            "百般",
            "千方百计",
        ),
        *(
            "高级经理",
            "任何女士",
            "客户经理",
            "对方律师",
            "我方律师",
            "感谢经理",
            "这位先生",
            "主任老师",
            "王者",
            "周到",
        ),
        *(
            "12378",
            "拨打12363",
            "打了12345一直没人接",
            "12315，12377和96110",
            "一二三七八",
            "幺二三七八投诉",
        ),
        *("", "。，！", "\ud800", "a", "vip service"),
    ],
)
def test_words_and_hot_lines_stay(text: str) -> None:
    """Numerals in words, common words like names, and hot lines are content."""
    assert mask(text) == text


@pytest.mark.parametrize(
    "text", ["112378", "123780", "12378元", "¥12345", "一二三七八六", "1.12345"]
)
def test_a_hot_line_within_a_number_is_none(text: str) -> None:
    assert "〔" in mask(text)
    assert not any(line in mask(text) for line in ("12378", "12345", "一二三七八"))


@given(texts)
def test_masking_twice_changes_nothing(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked


@given(texts)
def test_masked_text_has_the_canonical_form_of_the_text(text: str) -> None:
    """What is stored compares like what came in."""
    assert normalise(mask(text)).text == normalise(text).text


@given(texts)
def test_no_other_digit_is_left(text: str) -> None:
    """Outside hot lines, stored text has no digit of whatever script that reads as one of ours."""
    masked = normalise(mask(text)).text
    for line in ("12378", "12363", "12345", "12315", "12377", "96110"):
        masked = masked.replace(line, "")
    assert not any("0" <= character <= "9" for character in masked)
