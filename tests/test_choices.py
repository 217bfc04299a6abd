from dataclasses import replace

import pytest

from copydesk.errors import RecipeError
from copydesk.models.choices import Facts, choose, measure_bf16_speedup
from copydesk.recipe import Train

HEADLINES = Facts(tokens=290_000, texts=20_000, labels=2, layers=6, bf16_speedup=0.1, device="cpu")
REVIEWS = Facts(tokens=9_000, texts=600, labels=2, layers=6, bf16_speedup=0.1, device="cpu")


def test_small_data_gets_smaller_batches_and_more_epochs() -> None:
    small, large = choose(Train(), REVIEWS), choose(Train(), HEADLINES)
    assert small.batch_tokens < large.batch_tokens
    assert small.epochs > large.epochs


def test_many_labels_get_more_updates_and_larger_steps() -> None:
    intents = choose(Train(), replace(HEADLINES, tokens=140_000, texts=10_000, labels=77))
    few = choose(Train(), replace(HEADLINES, tokens=140_000, texts=10_000))
    assert intents.epochs > few.epochs and intents.learning_rate > few.learning_rate


def test_a_few_texts_with_many_outputs_get_more_epochs_than_with_few() -> None:
    assert choose(Train(), replace(REVIEWS, labels=60)).epochs == 20
    assert choose(Train(), REVIEWS).epochs == 8


def test_small_batches_see_as_many_tokens_as_large_ones() -> None:
    below, above = (choose(Train(), replace(REVIEWS, tokens=tokens, texts=3_500)) for tokens in (49_000, 51_000))
    assert below.batch_tokens < above.batch_tokens
    assert below.epochs == above.epochs


def test_long_texts_get_batches_that_hold_several_of_them() -> None:
    assert choose(Train(), replace(HEADLINES, tokens=24_000 * 200, texts=24_000)).batch_tokens == 3_200
    assert choose(Train(), replace(HEADLINES, tokens=10**9, texts=10**5)).batch_tokens == 4_096


def test_long_texts_with_few_labels_get_more_and_larger_updates_whatever_the_batch() -> None:
    news = replace(HEADLINES, tokens=150_000, texts=3_000, labels=4)
    short = choose(Train(), replace(news, texts=11_000))
    assert (choose(Train(), news).epochs, choose(Train(), news).learning_rate) == (3, 2e-4)
    assert (short.epochs, short.learning_rate) == (2, 1.5e-4)
    assert choose(Train(batch_tokens=256), news).learning_rate == 2e-4


def test_bf16_is_taken_only_where_it_was_measured_to_be_faster() -> None:
    fast = Facts(tokens=290_000, texts=20_000, labels=2, layers=6, bf16_speedup=3.9, device="cpu")
    assert choose(Train(), fast).precision == "bf16"
    assert choose(Train(), HEADLINES).precision == "fp32"


def test_every_choice_has_a_reason_and_what_the_recipe_says_is_kept() -> None:
    choices = choose(Train(epochs=7, learning_rate=1e-3, batch_tokens=64, precision="bf16", frozen_layers=0), HEADLINES)
    assert (choices.epochs, choices.learning_rate, choices.batch_tokens) == (7, 1e-3, 64)
    assert (choices.precision, choices.frozen_layers) == ("bf16", 0)
    assert set(choices.reasons) == set(choices.values())
    assert choices.reasons["epochs"] == "from the recipe"
    assert "epochs" in choose(Train(), HEADLINES).reasons["epochs"]


def test_fp16_is_for_gpus() -> None:
    with pytest.raises(RecipeError, match="fp16 needs a GPU"):
        choose(Train(precision="fp16"), HEADLINES)
    assert choose(Train(precision="fp16"), replace(HEADLINES, device="cuda")).precision == "fp16"


@pytest.mark.parametrize("times", [(4.0, 1.0), (1.0, 8.0)])
def test_the_speed_of_bf16_is_a_ratio_of_measured_times(times: tuple[float, float]) -> None:
    ticks = [0.0]
    calls = iter(range(1_000))

    def clock() -> float:
        kind = 0 if next(calls) < 12 else 1  # six runs of two looks each, fp32 first
        ticks[0] += times[kind]
        return ticks[0]

    assert measure_bf16_speedup("cpu", clock) == pytest.approx(times[0] / times[1])
