from __future__ import annotations

import random

import pytest

from copydesk.errors import Overloaded
from copydesk.serve.batcher import Queue, Ticket

NOW = 100.0


def _queue(most_texts: int = 1_000, *, is_padded: bool = True) -> Queue[str]:
    return Queue(most_texts=most_texts, is_padded=is_padded)


def _add(queue: Queue[str], names: str, cost: int = 10, ticket: Ticket | None = None) -> Ticket:
    ticket = ticket or Ticket()
    queue.add(list(names), [cost] * len(names), ticket, NOW)
    return ticket


def _taken(queue: Queue[str], budget: int = 10, now: float = NOW) -> str:
    return "".join(entry.payload for entry in queue.take(budget, now).entries)


def _all_taken(queue: Queue[str], budget: int = 10) -> str:
    names = ""
    while len(queue):
        names += _taken(queue, budget)
    return names


def test_requests_of_one_text_are_answered_in_the_order_they_came() -> None:
    queue = _queue()
    for name in "abcdef":
        _add(queue, name)
    assert _all_taken(queue) == "abcdef"


def test_a_batch_is_filled_up_to_its_budget_across_requests() -> None:
    queue = _queue()
    for name in "abc":
        _add(queue, name)
    assert (_taken(queue, 25), _taken(queue, 25)) == ("ab", "c")


def test_a_text_beyond_the_budget_is_answered_alone() -> None:
    queue = _queue()
    _add(queue, "l", cost=500)
    _add(queue, "s", cost=5)
    batches = [_taken(queue, 100), _taken(queue, 100)]
    assert sorted(batches) == ["l", "s"]


def test_a_request_of_many_texts_does_not_stand_before_one_that_comes_after_it() -> None:
    queue = _queue()
    _add(queue, "BBBBBBBBBBBBBBBBBBBB")
    assert _taken(queue) + _taken(queue) == "BB"
    _add(queue, "s")
    assert "s" in "".join(_taken(queue) for _ in range(6))


def test_a_request_of_many_texts_is_not_starved_by_single_ones_that_keep_coming() -> None:
    queue = _queue()
    _add(queue, "B" * 25)
    served = ""
    for _ in range(75):
        _add(queue, "s")
        served += _taken(queue)
    assert served.count("B") == 25 and served.count("s") == 50


def test_two_requests_of_many_texts_share_the_engine_evenly() -> None:
    queue = _queue()
    _add(queue, "a" * 50)
    _add(queue, "b" * 50)
    first = "".join(_taken(queue) for _ in range(40))
    assert abs(first.count("a") - first.count("b")) <= 1


def test_texts_of_like_length_share_a_batch_and_the_first_in_turn_is_always_in_it() -> None:
    queue = _queue()
    _add(queue, "l", cost=100)
    for name in "stuv":
        _add(queue, name, cost=102)
    for name in "wxyz":
        _add(queue, name, cost=210)
    assert _taken(queue, 400) == "lst"  # three of at most 102 fit; the 210s would pad them to more than twice
    assert _taken(queue, 400)[0] == "u"


def test_a_batch_wastes_less_than_a_third_of_its_cost_on_padding() -> None:
    chance, queue = random.Random(4), _queue(5_000)
    for _ in range(2_000):
        queue.add(["x"], [chance.choice((5, 8, 13, 40, 128))], Ticket(), NOW)
    while len(queue):
        batch = queue.take(256, NOW)
        assert batch.padded_cost <= max(256, batch.entries[0].cost)
        assert batch.padded_cost <= 1.5 * batch.cost


def test_without_padding_costs_just_add_up() -> None:
    queue = _queue(is_padded=False)
    _add(queue, "l", cost=90)
    _add(queue, "s", cost=5)
    assert set(_taken(queue, 100)) == {"l", "s"}


def test_who_left_is_dropped_and_counted() -> None:
    queue = _queue()
    left = _add(queue, "g")
    _add(queue, "s")
    left.gone = True
    batch = queue.take(100, NOW)
    assert [entry.payload for entry in batch.entries] == ["s"]
    assert [entry.payload for entry in batch.dropped] == ["g"]


def test_whose_time_is_over_is_dropped_at_that_very_moment() -> None:
    queue = _queue()
    _add(queue, "t", ticket=Ticket(deadline=NOW + 1))
    assert _taken(queue, now=NOW + 1) == ""
    _add(queue, "t", ticket=Ticket(deadline=NOW + 1))
    assert _taken(queue, now=NOW + 0.9) == "t"


def test_a_request_that_does_not_fit_as_a_whole_is_refused_as_a_whole() -> None:
    queue = _queue(3)
    _add(queue, "ab")
    with pytest.raises(Overloaded, match="2 texts are waiting and at most 3 may"):
        _add(queue, "cd")
    assert (len(queue), queue.is_full) == (2, False)
    _add(queue, "c")
    assert queue.is_full


def test_an_empty_queue_takes_a_request_larger_than_itself() -> None:
    queue = _queue(3)
    _add(queue, "abcd")
    assert _all_taken(queue) == "abcd"


def test_those_who_left_make_room_before_anybody_is_refused() -> None:
    queue = _queue(2)
    _add(queue, "ab").gone = True
    _add(queue, "cd")
    batch = queue.take(100, NOW)
    assert [entry.payload for entry in batch.entries] == ["c", "d"]
    assert [entry.payload for entry in batch.dropped] == ["a", "b"], "they are counted all the same"


def test_every_text_is_taken_once_and_the_cost_is_kept_account_of() -> None:
    chance, queue, sent, got = random.Random(1), _queue(), [], []
    for number in range(300):
        names = [f"{number}.{place}" for place in range(chance.randint(1, 9))]
        ticket = Ticket(gone=chance.random() < 0.1)
        queue.add(names, [chance.randint(0, 60) for _ in names], ticket, NOW)
        sent += [] if ticket.gone else names
        if chance.random() < 0.7:
            got += [entry.payload for entry in queue.take(100, NOW).entries]
    while len(queue):
        got += [entry.payload for entry in queue.take(100, NOW).entries]
    assert sorted(got) == sorted(sent) and queue.cost == 0


def test_what_is_before_a_request_is_what_has_its_turn_before_its_first_text() -> None:
    queue = _queue()
    _add(queue, "abcdefghi")  # nine texts of one request: their turns lie 10/3 apart
    gone = _add(queue, "z")
    assert queue.ahead_of([10], NOW) == 3 * 10 + 10
    gone.gone = True
    assert queue.ahead_of([10], NOW) == 3 * 10
    assert queue.ahead_of([10] * 9, NOW) == 10
    assert _queue().ahead_of([10], NOW) == 0


def test_a_long_text_among_short_ones_that_keep_coming_has_its_turn_after_a_few_batches() -> None:
    queue, batches = _queue(is_padded=False), []
    _add(queue, "l", cost=100)
    for place in range(20):
        for number in range(30):
            _add(queue, "s", cost=10 + 20 * ((number + place) % 2))
        batches.append(_taken(queue, 450))
    assert "l" in "".join(batches[:8])
