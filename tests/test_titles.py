from __future__ import annotations

import pytest

from copydesk.collect.titles import repaired


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        # marks that belong to the word before
        ("Storm hits coast , thousands flee", "Storm hits coast, thousands flee"),
        ("Live : harbour closed ; ferries wait", "Live: harbour closed; ferries wait"),
        ("Who pays for it ? ", "Who pays for it?"),
        ("What now ? !", "What now?!"),
        ("Now or never ?: a ferry waits", "Now or never?: a ferry waits"),
        ("And then . . . silence", "And then... silence"),
        ("The plan failed . Here is why", "The plan failed. Here is why"),
        # numbers and money
        ("Bank takes over rival for $1 . 776B", "Bank takes over rival for $1.776B"),
        ("Crowd of 115 , 000 in the park", "Crowd of 115,000 in the park"),
        ("1 , 234 , 567 visitors", "1,234,567 visitors"),
        ("April 10 , 2026", "April 10, 2026"),
        ("Rates cut by 17 % over 3 . 5 years", "Rates cut by 17% over 3.5 years"),
        ("Tickets for $ 5", "Tickets for $5"),
        ("Doors open at 10 : 30 am", "Doors open at 10:30 am"),
        ("Day 10 : 30 houses lost", "Day 10: 30 houses lost"),
        ("Open 24 / 7", "Open 24/7"),
        # letters with full stops
        ("Left U . S . in the rain", "Left U.S. in the rain"),
        ("Back in the U . S . S . again", "Back in the U.S.S. again"),
        ("He lives in the U . S .", "He lives in the U.S."),
        ("Novel by A . B . Carter", "Novel by A.B. Carter"),
        ("Senator Anna J . Berg resigns", "Senator Anna J. Berg resigns"),
        ("At 5 p . m . today", "At 5 p.m. today"),
        ("Booking . com sued", "Booking.com sued"),
        ("No . 1 in St . Ives", "No. 1 in St. Ives"),
        # brackets, quotation marks, other signs
        ("Talks ( day two ) go on", "Talks (day two) go on"),
        ("[ Video ] Bear in a pool", "[Video] Bear in a pool"),
        ('Mayor : " We stay " , he said', 'Mayor: "We stay", he said'),
        ('" Yes " and " No " win', '"Yes" and "No" win'),
        ("' Nobody asked us ' , say farmers", "'Nobody asked us', say farmers"),
        ("“ Never again ” , he said", "“Never again”, he said"),
        ("¿ Qué pasa ?", "¿Qué pasa?"),
        ("# MeToo grows", "#MeToo grows"),
        ("AT & T and Marks & Spencer", "AT&T and Marks & Spencer"),
        ("Q & amp ; A with the mayor", "Q&A with the mayor"),
        ("Fish &amp; chips", "Fish & chips"),
        ("It & # 39 ; s over", "It's over"),
        # apostrophes
        ("Harbour ' s new crane", "Harbour's new crane"),
        ("It ’ s raining , don ' t go", "It’s raining, don't go"),
        ("Workers ' rights in court", "Workers' rights in court"),
        ("O ' Brien wins", "O'Brien wins"),
        ("La crise de l ' école et de l ' hôpital", "La crise de l'école et de l'hôpital"),
        ("Rock ' n ' roll is back", "Rock 'n' roll is back"),
        # what GDELT lost stays lost; what is left is one space
        ("Minister calls it  a disgrace  in parliament", "Minister calls it a disgrace in parliament"),
        ("  Endless rain : what to know", "Endless rain: what to know"),
    ],
)
def test_a_tokenised_title_is_as_it_was_written(sent: str, written: str) -> None:
    assert repaired(sent) == written


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("15 - year - old wins 2 - 1", "15-year-old wins 2-1"),
        ("A 10 - point plan", "A 10-point plan"),
        ("F - 15E over COVID - 19 ward", "F-15E over COVID-19 ward"),
        ("State - owned railway , war - hit town", "State-owned railway, war-hit town"),
        ("Rebels - backed by nobody", "Rebels-backed by nobody"),
        ("Ex - mayor re - enters pro - European party", "Ex-mayor re-enters pro-European party"),
        ("Prayers at Al - Aqsa", "Prayers at Al-Aqsa"),
        ("EU - Japan deal near", "EU-Japan deal near"),
        ("Fighting at Norland - Sudland border", "Fighting at Norland-Sudland border"),
    ],
)
def test_a_hyphen_within_a_word_is_closed(sent: str, written: str) -> None:
    assert repaired(sent) == written


@pytest.mark.parametrize(
    "title",
    [
        "Storm closes schools - North Harbour Post",
        "Storm closes schools in Tarnby - BBC News",
        "Storm Hits Tarnby - Five Dead In Night Of Floods",
        "Rain stops play - what we know",
        "Ceasefire announced – what we know so far",
        "Floods in the west | Ulvsund News",
    ],
)
def test_a_dash_stays_a_dash(title: str) -> None:
    assert repaired(title) == title


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("首相 、 「 早期の合意 」 を求める", "首相、「早期の合意」を求める"),
        ("物価 、 3月は前年比＋4 . 59 ％ に加速", "物価、3月は前年比＋4.59％に加速"),
        ("焦点 ： 米 ・ 英の協議 （ 14日 ） 続く", "焦点：米・英の協議（14日）続く"),
        ("協議は 「 間もなく 」、 と大統領", "協議は「間もなく」、と大統領"),
        ("原油先物上昇 警戒感続く", "原油先物上昇 警戒感続く"),
        ("هل تعود المحادثات ؟", "هل تعود المحادثات؟"),
    ],
)
def test_other_scripts_have_their_own_signs(sent: str, written: str) -> None:
    assert repaired(sent) == written


def test_a_repaired_title_needs_no_repair() -> None:
    for title in ("Harbour ' s U . S . plan : 15 - year - old , ' so ' , $1 . 7B", "米 、 「 合意 」 4 . 5 ％ に"):
        assert repaired(repaired(title)) == repaired(title)


def test_what_nobody_sees_goes_and_nothing_is_left_of_nothing() -> None:
    assert repaired("Wednesday briefing : \u200bwhy most \ud800wait") == "Wednesday briefing: why most \ufffdwait"
    assert repaired("   ") == ""
