"""Languages of short texts."""

from __future__ import annotations

import pytest

from copydesk.languages import languages_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Fire destroys warehouse in port district", "en"),
        ("19 Things You Will Only Understand If You Grew Up By The Sea", "en"),
        ("Ministern avgår efter läckt brev", "sv"),
        ("Stadtrat will zwei Schulen schließen", "de"),
        ("Deux blessés dans un accident sur l'autoroute", "fr"),
        ("Двое пострадали в аварии на трассе", "ru"),
        ("高速道路で事故、二人けが", "ja"),
        ("시, 학교 두 곳 폐쇄 방침", "ko"),
    ],
)
def test_a_headline_is_enough_to_tell_its_language(text: str, language: str) -> None:
    assert languages_of([text]) == [language]


@pytest.mark.parametrize(
    "text", ["", "  ", "12:30", "https://example.org/in/english", "@user @user", "😂😂", "OK", "Trump", "N/A"]
)
def test_a_text_without_a_language_is_unsure(text: str) -> None:
    assert languages_of([text]) == [""]


def test_case_and_column_borders_do_not_count() -> None:
    assert languages_of(["TWO HURT IN MOTORWAY CRASH", "Storm\x1fWarning for the weekend\nand after"]) == ["en", "en"]


def test_a_broken_character_does_not_stop_the_others() -> None:
    assert languages_of(["half a pair \ud83d stands in this English text", "Två skadade i olycka"]) == [
        "en",
        "sv",
    ]


def test_a_variety_counts_as_its_language() -> None:
    assert languages_of(["Ho ein bil køyrde utfor vegen i natt, og ingen vart skadde i ulukka"]) == ["no"]


def test_no_texts_have_no_languages() -> None:
    assert languages_of([]) == []
