"""Words of any language, as they are written."""

import pytest

from steno_models.text.letters import plain, plain_sentences


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("  E\u0301kó,  Sωndώ! ", "ékó sωndώ"),
        ("L’été — C’est «beau»", "l’été c’est beau"),
        ("Straße 12", "strasse"),
        ("हिन्दी में", "हिन्दी में"),
        ("… 1, 2 !", ""),
    ],
)
def test_words_are_small_composed_letters(written: str, expected: str) -> None:
    assert plain(written) == expected


def test_sentences_end_at_marks_and_paragraphs() -> None:
    text = "Привет, мир! Как дела?\n\nХорошо. 12. 你好。再见！"
    assert list(plain_sentences(text)) == ["привет мир", "как дела", "хорошо", "你好", "再见"]


def test_lines_that_an_editor_wrapped_are_one_sentence() -> None:
    first = "Это была длинная строка, которую редактор перенёс в этом самом месте"
    assert list(plain_sentences(f"{first}\nна новую.")) == [f"{plain(first)} на новую"]
