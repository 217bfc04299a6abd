from __future__ import annotations

import pytest

from copydesk.collect.addresses import is_usable, key_of


@pytest.mark.parametrize(
    "url",
    [
        "https://www.post.example.com/a/b-1.html?id=4",
        "https://post.example.com:443/a",
        "http://post.example.com",
        "https://nyheter.example.com/brand-i-ö",
        "https://post.example.com/a%20b",
    ],
)
def test_an_address_that_can_be_opened_is_usable(url: str) -> None:
    assert is_usable(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "post.example.com/a",
        "ftp://post.example.com/a",
        "https:///a",
        "https://localhost/a",
        "https://post.example.com:port/a",
        "https://[post.example.com/a",
        "https://post.example.com/a b",
        "https://post.example.com/a%2",
        "https://post.example.com/story%20title=",
        'https://post.example.com/story" class="link',
        "https://post.example.com/<b>",
    ],
)
def test_a_broken_address_is_told(url: str) -> None:
    assert not is_usable(url)


@pytest.mark.parametrize(
    "other",
    [
        "http://post.example.com/a/story",
        "https://POST.example.com/a/story/",
        "https://www.post.example.com:443/a/story",
        "https://www.post.example.com/a/story?utm_source=x&fbclid=y&at_campaign=z",
        "https://www.post.example.com/a/story#comments",
        "https://www.post.example.com/a/story%20title=",
    ],
)
def test_what_does_not_make_another_article_is_no_difference(other: str) -> None:
    assert key_of(other) == key_of("https://www.post.example.com/a/story")


@pytest.mark.parametrize(
    "other",
    [
        "https://www.post.example.com/a/story?id=2",
        "https://www.post.example.com/a/Story",
        "https://sport.post.example.com/a/story",
        "https://www.post.example.com/a",
    ],
)
def test_what_may_be_another_article_is_a_difference(other: str) -> None:
    assert key_of(other) != key_of("https://www.post.example.com/a/story")


def test_an_impossible_address_is_its_own_key() -> None:
    assert key_of("https://[x") == "https://[x"
