import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_models.words import MOST_CHARACTERS, MOST_WORDS, distinct, fold, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Jo Doe", ["jo", "doe"]),
        ("  O'Brien-MÜLLER, jr.", ["o", "brien", "muller", "jr"]),
        ("given.family+tag@mail.example.org", ["given", "family", "tag", "mail", "example", "org"]),
        ("snake_case x2 42", ["snake", "case", "x2", "42"]),
        ("Zoë Zoe\u0308", ["zoe", "zoe"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Łukasz Søren Þór Æsa", ["lukasz", "soren", "thor", "aesa"]),
        ("Işık ISIK İstanbul", ["isik", "isik", "istanbul"]),
        ("Đặng Văn Hiếu", ["dang", "van", "hieu"]),
        ("Мария Ёлкина", ["мария", "елкина"]),
        ("ΣΤΈΦΑΝΟΣ Στέφανος", ["στεφανοσ", "στεφανοσ"]),
        ("مُحَمَّد محمد", ["محمد", "محمد"]),
        ("שָׁלוֹם", ["שלום"]),
        ("山田 太郎・ﾔﾏﾀﾞ", ["山田", "太郎", "ヤマタ"]),
        ("हिन्दी", ["हिनदी"]),
        ("ไทย", ["ไทย"]),
        ("ﬁne ①② Ⅷ", ["fine", "12", "viii"]),
        ("👩‍👩‍👧 !?", []),
        ("", []),
        ("x" * 100, ["x" * MOST_CHARACTERS]),
    ],
)
def test_words_are_folded(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


def test_the_beginning_of_a_syllable_is_the_beginning_of_a_word_in_hangul() -> None:
    assert words_of("김")[0].startswith(words_of("기")[0])


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_a_word_of_a_word_is_the_word(text: str) -> None:
    for word in words_of(text):
        assert words_of(word) == (word,)


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_form_in_which_a_text_is_written_does_not_matter(text: str, form: Any) -> None:
    assert words_of(unicodedata.normalize(form, text)) == words_of(text)


@given(st.text(st.characters(codec="ascii")))
def test_plain_ascii_is_read_as_any_other_text(text: str) -> None:
    assert words_of(text) == words_of(text + " é")[:-1]


@given(st.text())
def test_no_word_holds_what_separates_words_in_a_record(text: str) -> None:
    assert not any(set(word) & set(" \t\n\0") for word in words_of(text))


def test_of_many_words_the_first_different_ones_count() -> None:
    words = [f"w{number // 2}" for number in range(400)]

    assert distinct(words) == tuple(f"w{number}" for number in range(MOST_WORDS))
