"""Changes of texts: what they do, and above all what they leave alone because it would change the meaning."""

from __future__ import annotations

from typing import Any

import pytest

from copydesk.behaviour.chance import chance_for
from copydesk.behaviour.changes import CHANGES, change_of
from copydesk.behaviour.file import SuiteFile
from copydesk.behaviour.load import words_of
from copydesk.behaviour.words import Words
from copydesk.errors import RecipeError

WORDS = words_of(SuiteFile(lists={"towns": ["Oslo", "Lima", "York"]}, protect=["delicious", "towns"]), "here")


def _results(change: Any, text: str, words: Words = WORDS, seeds: int = 30) -> set[str]:
    """Return everything that a change makes of a text by chance."""
    made = change_of(change, words, "here")
    found = (made(text, chance_for(seed, text)) for seed in range(seeds))
    return {text for text in found if text is not None}


def _never(change: Any, *texts: str) -> None:
    for text in texts:
        assert _results(change, text) == set(), text


def test_a_typo_is_in_one_longer_word_and_leaves_the_rest() -> None:
    found = _results("typo", "the waiters forgot everything")
    assert len(found) > 5
    for text in found:
        wrong = [word for word in text.split() if word not in ("the", "waiters", "forgot", "everything")]
        assert len(wrong) == 1 and len(wrong[0]) >= 6


@pytest.mark.parametrize(
    "text",
    [
        "it was hardly nice, without taste",  # negations
        "never ever",
        "it was delicious",  # a cue that the suite protects
        "12345678 99999999",
        "ask @somebody at https://example.com/something #everything",
        "we met Elizabeth and NATIONAL staff",  # a name, an abbreviation
        "a well-behaved dog, couldn't wouldn't",
    ],
)
def test_a_typo_is_never_in_a_negation_a_cue_a_number_an_address_or_a_name(text: str) -> None:
    _never("typo", text)


def test_a_typo_never_makes_another_word() -> None:
    assert "untied" not in " ".join(_results("typo", "united", seeds=200))
    assert "dessert" not in " ".join(_results("typo", "desert", seeds=200))


def test_typos_need_to_know_what_negates() -> None:
    with pytest.raises(RecipeError, match="typo: no negation words are known for language 'hu'"):
        change_of("typo", Words("hu"), "here")
    hungarian = words_of(SuiteFile(language="hu", negations=["nem", "semmi"]), "here")
    assert _results("typo", "nagyon finom ebédünk volt", hungarian)


def test_scripts_without_spaces_get_no_typos() -> None:
    japanese = words_of(SuiteFile(language="ja"), "here")
    assert _results("typo", "とても美味しい料理でしたよ", japanese) == set()


def test_case_stays_where_it_tells_words_apart() -> None:
    _never("lower_case", "US troops leave", "The WHO warns", "Polish the table", "She ran in May")
    _never("upper_case", "they left us alone")
    assert _results("lower_case", "NATO Troops leave") == {"nato troops leave"}
    assert _results("upper_case", "They left, @anna") == {"THEY LEFT, @anna"}
    assert _results("title_case", "it was NATO's idea") == {"It Was NATO's Idea"}
    with pytest.raises(RecipeError, match="letters whose case is its own"):
        change_of("lower_case", Words("tr"), "here")
    with pytest.raises(RecipeError, match="lower_case knows en, sv; the suite's language is 'de'"):
        change_of("lower_case", Words("de"), "here")


def test_only_a_plain_full_stop_comes_or_goes() -> None:
    assert _results("full_stop", "It was good.") == {"It was good"}
    assert _results("full_stop", "It was good") == {"It was good."}
    _never(
        "full_stop", "Was it good?", "It was good!", "Well...", "He moved to the U.S.", "Acme Inc.", "by @anna", ":)"
    )


def test_quotes_change_their_shape_alone() -> None:
    assert _results("quotes", 'They don\'t say "hello"') == {"They don’t say “hello”"}
    assert _results("quotes", "They don’t say “hello”") == {'They don\'t say "hello"'}


def test_contractions_mean_the_same() -> None:
    assert _results("contractions", "We do not know them.") == {"We don't know them."}
    assert _results("contractions", "Don't go there.") == {"Do not go there."}
    assert _results("contractions", "21 Dips You Won't Believe Exist") == {"21 Dips You Will Not Believe Exist"}
    _never("contractions", "It is not only good.", "Isn't it good?", "Isn't it great that we came.", "It is not")


@pytest.mark.parametrize(
    "text",
    [
        "I give it 0 stars",
        "5 stars for the view",
        "a 3-1 win",
        "they won 3 to 1",
        "on 9/11 they met",
        "born in 1987 they say",
        "5 May was warm",
        "they left on May 5 together",
        "it costs $40 there",
        "about 40 % of them",
        "20 percent of them",
        "a Boeing 747 landed",
        "the 2nd time they came",
        "10 Downing Street shut",
        "50 Cent sings again",
        "we called 911 twice",
        "open 24/7 they say",
        "7 out of 10 people",
        "8.5 is what they gave",
        "this is 2 much for me",
        "a burger for 23 which is fair",
        "it costs 600 Euros there",
        "they sit on floor 5 probably",
        "the back 9 on Sunday",
        "a 17-year-old was hurt",
        "he is number 12 there",
        "1 dog came",
        "it ends with 30",
    ],
)
def test_a_number_that_carries_meaning_stays(text: str) -> None:
    _never("numbers", text)
    _never("spell_number", text)
    _never("drop_number", text)


def test_a_count_becomes_another_of_its_size() -> None:
    found = _results("numbers", "17 people were rescued")
    assert len(found) > 5
    assert all(10 <= int(text.split()[0]) <= 34 and text.endswith(" people were rescued") for text in found)
    assert "13 people were rescued" not in found  # thirteen has a meaning of its own
    assert _results("spell_number", "17 Things You Know") == {"Seventeen Things You Know"}
    assert _results("spell_number", "Police freed 43 workers") == {"Police freed forty-three workers"}
    assert _results("spell_number", "Some 60 people came") == {"Some sixty people came"}
    assert _results("drop_number", "17 things you know") == {"Things you know"}
    assert _results("drop_number", "Police freed 43 workers") == set()


def test_numbers_are_spelt_in_the_suites_language() -> None:
    assert _results("spell_number", "25 personer evakuerades", Words("sv")) == {"Tjugofem personer evakuerades"}
    with pytest.raises(RecipeError, match="spell_number knows en, sv"):
        change_of("spell_number", Words("fr"), "here")


def test_a_name_is_swapped_for_another_of_its_list() -> None:
    towns = {"names": "towns"}
    assert _results(towns, "We met in Oslo.") <= {"We met in Lima.", "We met in York."} and _results(towns, "Oslo won.")
    assert all("Oslo" not in text for text in _results(towns, "Oslo is big, and Oslo is old."))


@pytest.mark.parametrize(
    "text",
    [
        "They left New York early",  # part of a longer name
        "Oslo Philharmonic plays",
        "Lima-based miners",
        "Ten Things Only People From Oslo Know",  # capitals tell nothing in a headline
        "see @Oslo for more",
        "They went to Paris",  # on no list
    ],
)
def test_a_name_that_is_part_of_another_or_on_no_list_stays(text: str) -> None:
    _never({"names": "towns"}, text)


def test_synonyms_are_whole_words_of_the_part_of_speech_that_is_given() -> None:
    group = {"synonyms": [["big", "large"]]}
    assert _results(group, "A Big Dog Barks Loudly Here") == {"A Large Dog Barks Loudly Here"}
    assert _results(group, "a big dog") == {"a large dog"}
    _never(group, "the biggest dog", "in the Big Apple", "a big-hearted dog", "bigotry")
    liked = {"synonyms": [{"words": ["like", "enjoy"], "as": "verb"}]}
    assert _results(liked, "I like it.") == {"I enjoy it."}
    _never(liked, "It looks like rain.", "People like that are rare.")
    _never({"synonyms": [["great", "awesome"]]}, "a great dog")  # the article would be wrong
    with pytest.raises(RecipeError, match="is no group of synonyms"):
        change_of({"synonyms": [["big"]]}, WORDS, "here")


def test_replacements_are_the_suites_own_and_keep_the_case() -> None:
    assert _results({"replace": {"ist": ["ist nicht"]}}, "Das ist gut.") == {"Das ist nicht gut."}
    assert _results({"replace": {"good": "fine"}}, "Good food") == {"Fine food"}
    _never({"replace": {"good": "fine"}}, "goods and goodness")


def test_intensifiers_are_not_piled_up_nor_put_after_a_negation() -> None:
    change = {"intensify": {"words": ["good"], "by": ["very"]}}
    assert _results(change, "It was good.") == {"It was very good."}
    _never(change, "It was so good.", "It was not good.", "as good as gold", "the Good Place", "goods")


@pytest.mark.parametrize(
    "text",
    [
        "Was it good?",
        "It was never good.",
        "It wasn't good.",
        "It was good but dear.",
        "It was good. We left.",
        "Nobody was there.",
        "It was what it was.",
        "All was well.",
        "We liked it.",
        "So it was",
        "I wish it was true.",
        "We came up...last time it was good.",
        "The nice old man who lives next door was kind.",
        "My brother from the north of the country was kind.",
    ],
)
def test_nothing_is_negated_twice_in_questions_or_across_clauses(text: str) -> None:
    _never("negate", text)


def test_a_plain_statement_is_negated_in_its_language() -> None:
    assert _results("negate", "The soup was good.") == {"The soup was not good."}
    swedish = words_of(SuiteFile(language="sv"), "here")
    assert _results("negate", "Soppan var god.", swedish) == {"Soppan var inte god."}
    with pytest.raises(RecipeError, match="negate knows en, sv; the suite's language is 'de'"):
        change_of("negate", words_of(SuiteFile(language="de"), "here"), "here")


def test_sentences_are_added_where_a_text_ends_or_begins() -> None:
    assert _results({"append": ["We left."]}, "It was good") == {"It was good. We left."}
    assert _results({"append": ["We left."]}, "Was it good?") == {"Was it good? We left."}
    assert _results({"append": [":)", ":D"]}, "It was good") == {"It was good :)", "It was good :D"}
    assert _results({"prepend": "@user"}, "It was good") == {"@user It was good"}
    _never({"append": ["We left."]}, "And then:", "Well...", "This goes on…")


def test_texts_of_several_columns_are_changed_in_one_or_all_of_them() -> None:
    assert _results({"append": ["More."]}, "A title\x1fA text.") == {"A title\x1fA text. More."}
    assert _results({"append": ["More."]}, "A title\x1f") == {"A title. More.\x1f"}
    assert _results({"prepend": ["New:"]}, "title\x1ftext") == {"New: title\x1ftext"}
    assert _results("upper_case", "a title\x1fa text") == {"A TITLE\x1fA TEXT"}
    assert len({text.count("\x1f") for text in _results("typo", "wonderful\x1fremarkable")}) == 1


def test_a_change_depends_on_its_seed_and_text_alone() -> None:
    typo = change_of("typo", WORDS, "here")
    texts = ["wonderful people came", "remarkable evening"]
    once = {text: typo(text, chance_for(3, text)) for text in texts}
    assert once == {text: typo(text, chance_for(3, text)) for text in reversed(texts)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tpyo", "'tpyo' is no change. Did you mean 'typo'"),
        ({"typo": 3}, "typo takes nothing, but has 3"),
        ({"append": ["a"], "prepend": ["b"]}, "a change has one name, this has append, prepend"),
        ({"append": None}, "are no words"),
        ("names", "names needs lists"),
        ({"replace": ["a"]}, "needs phrases and what replaces them"),
        ({"intensify": {"words": ["good"]}}, "needs {words"),
    ],
)
def test_a_wrong_change_is_told(change: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        change_of(change, WORDS, "here")


HOSTILE = [
    "",
    " ",
    "\x1f",
    "😀😀😀",
    "a" * 10_000,
    "\u202e\u0000 x",
    "ß" * 9 + " straße Straßenbahn",
    "'\"’“”",
    "12 " * 500,
]


@pytest.mark.parametrize("name", list(CHANGES))
def test_no_change_stumbles_over_odd_texts(name: str) -> None:
    arguments: dict[str, Any] = {
        "names": "towns",
        "synonyms": [["big", "large"]],
        "replace": {"a": "b"},
        "intensify": {"words": ["good"], "by": ["very"]},
        "append": "More.",
        "prepend": "More.",
    }
    change: Any = {name: arguments[name]} if name in arguments else name
    for text in HOSTILE:
        for result in _results(change, text, seeds=3):
            assert result != text and result.count("\x1f") == text.count("\x1f")
