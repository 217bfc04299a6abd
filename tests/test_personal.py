"""E-mail addresses and phone numbers in texts: found, left alone, masked."""

from __future__ import annotations

import pytest

from copydesk.personal import find_personal, masked, personal_in, redacted

PHONES = [
    "+46 8 123 456 78",
    "+1 (212) 555-0123",
    "+442079460958",
    "0046 8 123 45 67",
    "(212) 555-0123",
    "(904)508-0801",
    "212-555-0123",
    "407.916.1041",
    "289 404 8963",
    "1-800-936-5700",
    "1.412.333.9748",
    "020 7946 0958",
    "01792 616500",
    "01632 960 001",
    "030/1234567",
    "08-123 456 78",
    "06 12 34 56 78",
    "06.12.34.56.78",
    "090-1234-5678",
    "(11) 91234-5678",
    "07700900123",
]
NO_PHONES = [
    "$1,250,000,000",
    "costs 1 250 000 000 euros",
    "€212-555-0123",
    "on 2015-09-14 18:20:11",
    "on 01-02-2015 10-30",
    "on 08/09/15 07.00-08.00",
    "the season 2004-2005",
    "won 6-3 6-2 7-5",
    "won 06-04 07-06 06-02",
    "21-19 21-17 21-15",
    "ISBN 978-3-16-148410-0",
    "ISBN 0-306-40615-2",
    "ISBN 0306406152",
    "arXiv 2103.01234",
    "doi 10.1145/3292500.3330701",
    "IBAN DE89 3704 0044 0532 0130 00",
    "card 4111 1111 1111 1111",
    "192.168.100.200",
    "order 9747610055",
    "https://example.org/status/212-555-0123",
    "J. Math. (2015) 123-4567",
    "lord=20030115145",
    "about 10485839193847 times",
    "Pi is 3.14159265358979",
    "0.889 (95 % CI 0.87 - 0.91)",
    "call options in 2014-2015",
]


@pytest.mark.parametrize("number", PHONES)
def test_a_phone_number_is_found_as_a_whole(number: str) -> None:
    assert masked(f"Ask for Ann, {number}, today.") == "Ask for Ann, [phone], today."
    assert masked(f"({number})").count("[phone]") == 1


@pytest.mark.parametrize("text", NO_PHONES)
def test_what_only_looks_like_a_phone_number_is_left_alone(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text", ["Call us on 8587000", "tel. 0646671555", "WhatsApp: 98765 43210", "call for info 08003283508"]
)
def test_digits_that_the_words_before_call_a_number_are_one(text: str) -> None:
    assert [found.kind for found in personal_in(text)] == ["phone"]


def test_neighbours_are_told_apart() -> None:
    assert masked("2015 212-555-0123 24") == "2015 [phone] 24"
    assert masked("212-555-0123 212-555-0124") == "[phone] [phone]"
    assert masked("Call 212-555-0123. 300 came") == "Call [phone]. 300 came"
    assert masked("212-555-0123 / (212) 555-0124") == "[phone] / [phone]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Mail ann.b+news@example.co.uk.", "Mail [e-mail]."),
        ("<ann@example.com>, bo@example.se", "<[e-mail]>, [e-mail]"),
        ("e:ann2125550123@example.com", "e:[e-mail]"),
        ("Bücher: käthe@bücher.example", "Bücher: [e-mail]"),
        ("mAP@0.5 and logo@2x.png, @user", "mAP@0.5 and logo@2x.png, @user"),
        ("5@2.30pm, a@b", "5@2.30pm, a@b"),
    ],
)
def test_e_mail_addresses(text: str, left: str) -> None:
    assert masked(text) == left


def test_masking_twice_is_masking_once() -> None:
    once = masked("ann@example.com 212-555-0123")
    assert masked(once) == once == "[e-mail] [phone]"


def test_counts_by_kind_and_examples_that_show_nothing() -> None:
    texts = ["nothing", "ann@example.com and bo@example.com", "bo@example.com, 212-555-0123"]
    data = find_personal(texts)
    assert (data.texts, data.found, data.texts_with) == (3, {"e-mail": 3, "phone": 1}, {"e-mail": 2, "phone": 1})
    assert [(example.place, example.kinds) for example in data.examples] == [(1, ("e-mail",)), (2, ("e-mail", "phone"))]
    assert not any("@" in example.text or "555" in example.text for example in data.examples)


HOSTILE = [
    "1",
    "@",
    "a@",
    "1@1.",
    "+",
    "1 ",
    "(",
    "0 1-2.",
    "a@b.",
    "1a",
    "+1 2 3 4 5 6 7 8 9a",
    "www.",
    " - ",
    "212-555-0123 ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_long_hostile_text_comes_to_an_end(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert len(masked(text)) <= len(text)
    assert len(redacted(text)) <= len(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Card 4929 1234 5678 9012 was refused", "Card [number] was refused"),
        ("born 640823-3234, account DE89370400440532013000", "born [number], account DE[number]"),
        ("write to me@example.org or call 0046 8 123 456 78", "write to [e-mail] or call [phone]"),
        ("17 things of 2016 for $1,299.99", "17 things of 2016 for $1,299.99"),
        ("no digit and no sign", "no digit and no sign"),
    ],
)
def test_what_is_kept_of_a_text_has_no_long_number(text: str, kept: str) -> None:
    assert redacted(text) == kept
    assert redacted(kept) == kept
