import random

import pytest

from copydesk.errors import RecipeError
from copydesk.normalise import _CLEAN, COLUMN_SEPARATOR, PRESETS, STEPS, normalise, steps_of

WEB = PRESETS["web"]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("war , from", "war, from"),
        ("$1 . 776B", "$1.776B"),
        ("1 , 000 people", "1,000 people"),
        ("in 2010 , 50 dead", "in 2010, 50 dead"),
        ("do n't , it 's ( good ) .", "don't, it's (good)."),
        ("he can\\u2019t", "he can’t"),
        ("\\ud83d\\ude00 smile", "😀 smile"),
        ('she said \\"no\\"', 'she said "no"'),
        ("eBay Inc.\\said", "eBay Inc. said"),
        ("R&amp;B &lt;b&gt;live&lt;/b&gt;", "R&B live"),
        ("France #39;s deal for  #36;5", "France's deal for $5"),
        ("&amp;amp;quot;", '"'),
        ("e\u0301te\u0301", "été"),
        ("a\x00b\u200bc\ufeff", "a b c"),
        ("lone \udc80 surrogate", "lone \ufffd surrogate"),
        ("  many \t kinds\n of   space ", "many kinds of space"),
        ("イラン 、 米の 「 停戦 」 案", "イラン、米の「停戦」案"),
    ],
)
def test_web_normalisation_repairs_what_the_web_does_to_text(raw: str, clean: str) -> None:
    assert normalise(raw, WEB) == clean


@pytest.mark.parametrize(
    "text",
    [
        "great :) thanks",
        "sad :( but true",
        "C# and #1 and #winning",
        "3 < 5 and x > y",
        "AT&T",
        "'quoted' word",
        "5 % off?",
    ],
)
def test_web_normalisation_keeps_emoticons_hashtags_and_comparisons(text: str) -> None:
    assert normalise(text, WEB).replace("5%", "5 %") == text


def test_normalising_twice_is_normalising_once() -> None:
    chance = random.Random(0)
    pieces = [
        "&amp;",
        "amp;",
        "\\u0026",
        "lt;",
        "<b>",
        "#39;",
        " , ",
        " . ",
        "1",
        "$",
        "(",
        " ",
        "n't",
        "'s",
        "é",
        "「",
        "\\",
        '"',
    ]
    for _ in range(3_000):
        raw = "".join(chance.choices(pieces, k=8))
        once = normalise(raw, WEB)
        assert normalise(once, WEB) == once, raw


def test_a_text_taken_for_clean_is_one_that_no_step_changes() -> None:
    chance = random.Random(1)
    alphabet = "ab1 $\"'()@.,:;!?%/-nt'"
    clean = [text for text in ("".join(chance.choices(alphabet, k=7)) for _ in range(20_000)) if _CLEAN.fullmatch(text)]
    assert len(clean) > 100
    for text in clean:
        assert all(step(text) == text for step in STEPS.values()), text


def test_columns_are_normalised_apart() -> None:
    joined = COLUMN_SEPARATOR.join(["title ,", " . body"])
    assert normalise(joined, WEB) == COLUMN_SEPARATOR.join(["title,", ". body"])


def test_no_normalisation_still_removes_what_cannot_be_stored() -> None:
    assert normalise("war , from \udc80", PRESETS["none"]) == "war , from \ufffd"


def test_a_preset_and_a_list_of_steps_are_both_settings() -> None:
    assert steps_of("web") == WEB
    assert steps_of(["nfc", "spaces"]) == ("nfc", "spaces")


@pytest.mark.parametrize("setting", ["wbe", ["nfc", "lower"]])
def test_an_unknown_preset_or_step_is_refused_with_the_known_ones(setting: str | list[str]) -> None:
    with pytest.raises(RecipeError, match="is not one of: "):
        steps_of(setting)


def test_a_character_reference_of_any_length_is_read() -> None:
    assert normalise("a &#" + "1" * 5_000 + "; b", PRESETS["web"]) == "a \ufffd b"


def test_a_long_run_of_backslashes_takes_no_longer_than_its_length() -> None:
    """Trying the run from every one of its characters would take an hour."""
    assert normalise("\\" * 1_000_000 + "x", PRESETS["web"]) == "x"
    assert normalise("\\" * 1_000 + '"x', PRESETS["web"]) == '"x'
