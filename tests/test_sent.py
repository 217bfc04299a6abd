import random

import pytest

from copydesk.normalise import PRESETS, normalise
from copydesk.runtime.sent import SentText, aligned

WEB = PRESETS["web"]


def _words(sent: str) -> dict[str, str]:
    """Return what each word as it was sent became when it was read."""
    text, read = SentText([("", sent)]), normalise(sent, WEB)
    became: dict[str, str] = {}
    for character, number in zip(read, text.word_of(read).tolist(), strict=True):
        if number >= 0:
            word = text.words[number]
            became[sent[word.start : word.end]] = became.get(sent[word.start : word.end], "") + character
    return became


@pytest.mark.parametrize(
    ("sent", "became"),
    [
        ("one  two\nthree", {"one": "one", "two": "two", "three": "three"}),
        ("war , from $1 . 776B", {"war": "war", ",": ",", "from": "from", "$1": "$1", ".": ".", "776B": "776B"}),
        ("R&amp;B is <b>new</b>", {"R&amp;B": "R&B", "is": "is", "<b>new</b>": "new"}),
        ("<a href='x y'>link</a> text", {"y'>link</a>": "link", "text": "text"}),
        ("cafe\u0301 au lait", {"cafe\u0301": "caf\u00e9", "au": "au", "lait": "lait"}),
        ('It\\u2019s \\"new\\"', {"It\\u2019s": "It\u2019s", '\\"new\\"': '"new"'}),
        ("\ufeffgoal\x00match", {"\ufeffgoal\x00match": "goalmatch"}),
        ("", {}),
        (" \t ", {}),
    ],
)
def test_each_character_read_belongs_to_the_word_it_was_sent_in(sent: str, became: dict[str, str]) -> None:
    assert _words(sent) == became


def test_places_never_go_back_and_are_exact_away_from_the_differences() -> None:
    chance = random.Random(1)
    pieces = ["word", "&amp;", "<br>", "\\u00e9", "e\u0301", " ", " ", "goal,", "12", "\x00", "火事", "&#39;", "\ud800"]
    for _ in range(300):
        sent = "".join(chance.choices(pieces, k=30)) + " exactly the same end"
        read = normalise(sent, WEB)
        places = aligned(sent, read)
        known = places[places >= 0].tolist()
        assert known == sorted(known)
        assert all(0 <= place < len(sent) for place in known)
        end = [place for place in places[-len(" exactly the same end") :].tolist() if place >= 0]
        assert "".join(sent[place] for place in end) == "exactlythesameend"


def test_a_run_of_words_is_taken_out_with_the_space_behind_it() -> None:
    text = SentText([("", " one  two three ")])
    assert text.without(0, 0) == " two three "
    assert text.without(1, 1) == " one  three "
    assert text.without(1, 2) == " one"
    assert text.without(0, 2) == ""
    columns = SentText([("title", "one two"), ("body", "three")])
    assert columns.without(1, 1) == ["one", "three"]
    assert columns.without(2, 2) == ["one two", ""]
