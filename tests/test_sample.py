from __future__ import annotations

import csv
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.sample import MOST_HEADLINES, headlines, with_article, write_sample
from copydesk.errors import UsageError

LABELS = ("clickbait", "news")


@pytest.fixture(scope="module")
def sample() -> list[tuple[str, str]]:
    return headlines()


def of(label: str, sample: list[tuple[str, str]]) -> list[str]:
    return [text for text, given in sample if given == label]


def is_title_case(text: str) -> bool:
    """Every word of four letters or more has a capital; a sentence with three such lower-case words is not one."""
    return not re.search(r"\b[a-z]{4,}", re.sub(r"'\w+", "", text))


def is_sentence_case(text: str) -> bool:
    return len(re.findall(r"(?<= )[a-z]{4,}", text)) >= 3


def test_the_default_sample_has_six_thousand_headlines_half_of_each_label(sample: list[tuple[str, str]]) -> None:
    assert Counter(label for _, label in sample) == {"clickbait": 3_000, "news": 3_000}


def test_an_odd_count_gives_one_more_news_headline() -> None:
    assert Counter(label for _, label in headlines(11)) == {"clickbait": 5, "news": 6}


def test_the_same_seed_gives_the_same_headlines_and_another_seed_gives_others(sample: list[tuple[str, str]]) -> None:
    assert headlines() == sample
    assert len(set(headlines(seed=7)) & set(sample)) < 600


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    random.seed(1)
    before = random.getstate()
    first = headlines(50)
    assert random.getstate() == before
    random.seed(2)
    assert headlines(50) == first


def test_no_two_headlines_are_equal_whatever_their_case(sample: list[tuple[str, str]]) -> None:
    assert len({text.lower() for text, _ in sample}) == len(sample)


def test_labels_are_mixed_along_the_list(sample: list[tuple[str, str]]) -> None:
    assert 200 < sum(label == "news" for _, label in sample[:600]) < 400


@pytest.mark.parametrize("label", LABELS)
def test_each_label_has_numbers_questions_quotes_and_the_second_person(
    label: str, sample: list[tuple[str, str]]
) -> None:
    texts = of(label, sample)
    for pattern in (r"\d", r".*\?", r"['\"]", r"(?i).*\byou\b", r"(?i)(why|how) "):
        assert sum(bool(re.match(pattern, text)) for text in texts) >= 20, pattern


@pytest.mark.parametrize("label", LABELS)
def test_each_label_comes_in_title_case_and_in_sentence_case(label: str, sample: list[tuple[str, str]]) -> None:
    texts = of(label, sample)
    assert sum(map(is_title_case, texts)) > 600
    assert sum(map(is_sentence_case, texts)) > 300


def test_nearly_every_common_word_occurs_with_both_labels(sample: list[tuple[str, str]]) -> None:
    words = {label: Counter(word for text in of(label, sample) for word in text.lower().split()) for label in LABELS}
    common = [word for word, count in (words["clickbait"] + words["news"]).items() if count >= 60]
    shared = [word for word in common if all(words[label][word] >= 3 for label in LABELS)]
    assert len(common) > 100
    assert len(shared) > 0.85 * len(common)


def test_no_trace_of_the_grammar_remains_in_a_headline(sample: list[tuple[str, str]]) -> None:
    flaw = re.compile(r"[{}()|*/\\]|  |^ | $| [,;:.?!]|[,;:.?!]{2}|[,;:?!][^\s\d\"']|''|\"\"")
    assert [text for text, _ in sample if flaw.search(text)] == []


def test_every_headline_begins_with_a_capital_a_digit_or_a_quotation_mark(sample: list[tuple[str, str]]) -> None:
    assert [text for text, _ in sample if not re.match(r"[\"']?[A-Z0-9]", text)] == []


def test_headlines_have_the_length_of_headlines(sample: list[tuple[str, str]]) -> None:
    lengths = sorted(len(text) for text, _ in sample)
    assert lengths[0] >= 15
    assert lengths[-1] <= 180
    assert 45 <= lengths[len(lengths) // 2] <= 75


def test_articles_and_verbs_agree_with_their_nouns(sample: list[tuple[str, str]]) -> None:
    wrong = re.compile(r"\b(?:a [aeio]|an [bcdfgjklmnpqrstvwxyz]|police says|people is|officials says)", re.IGNORECASE)
    assert [text for text, _ in sample if wrong.search(text) and not re.search(r"(?i)\ba one", text)] == []


@pytest.mark.parametrize(
    ("noun", "with_its_article"),
    [
        ("kettle", "a kettle"),
        ("umbrella", "an umbrella"),
        ("used car", "a used car"),
        ("unhinged otter", "an unhinged otter"),
        ("honest piano", "an honest piano"),
        ("8-day strike", "an 8-day strike"),
        ("18-year ban", "an 18-year ban"),
        ("180-year ban", "a 180-year ban"),
        ("Oslo nurse", "an Oslo nurse"),
    ],
)
def test_the_article_follows_the_sound_of_the_noun(noun: str, with_its_article: str) -> None:
    assert with_article(noun) == with_its_article


def test_near_duplicates_are_rare(sample: list[tuple[str, str]]) -> None:
    pairs = find_near_duplicates([text for text, _ in sample], 0.8).pairs
    assert len({row for pair in pairs for row in pair}) < 0.03 * len(sample)


def test_similar_headlines_form_many_small_groups(sample: list[tuple[str, str]]) -> None:
    sizes = Counter(find_near_duplicates([text for text, _ in sample], 0.6).group.tolist())
    assert max(sizes.values()) < 0.02 * len(sample)
    assert len(sizes) > 0.8 * len(sample)


@pytest.mark.parametrize("count", [-1, 0, 1, MOST_HEADLINES + 1, 10**12])
def test_a_count_that_the_grammar_cannot_give_is_refused_at_once(count: int) -> None:
    with pytest.raises(UsageError, match=f"{count:,} headlines.* 2 to 50,000.*Ask for"):
        headlines(count)


def test_the_written_file_is_a_csv_of_the_headlines(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    write_sample(path, 300, seed=5)
    with path.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    assert rows == [("text", "label"), *headlines(300, seed=5)]


def test_the_written_file_is_the_same_to_the_byte_on_every_system(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        write_sample(tmp_path / name, 100)
    content = (tmp_path / "first.csv").read_bytes()
    assert content == (tmp_path / "second.csv").read_bytes()
    assert content.startswith(b"text,label\n")
    assert content.count(b"\n") == 101
    assert b"\r" not in content


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_sample(path, 10)
    assert path.read_text() == "mine"
