from hypothesis import given

from fingerprint.text.texts import texts
from shengdun.fingerprint.text.masking import mask
from shengdun.fingerprint.text.normalise import normalise


@given(texts)
def test_masking_twice_changes_nothing(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked


@given(texts)
def test_masked_text_has_the_canonical_form_of_the_text(text: str) -> None:
    """What is stored compares like what came in."""
    assert normalise(mask(text)).text == normalise(text).text
