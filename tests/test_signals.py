import numpy as np
import pytest

from copydesk.errors import DataError
from copydesk.tasks import make_task
from copydesk.types import Prediction, Signal

CATEGORIES = {"crime": ["theft", "assault"], "sports": ["football"]}
TASK = make_task("signals", list(CATEGORIES), categories=CATEGORIES)


def _outputs(*rows: list[float]) -> np.ndarray:
    """Return logits: two scores (as they shall be), crime's three tags, sports' two."""
    outputs = np.array(rows, np.float64)
    outputs[:, :2] = np.arctanh(outputs[:, :2])
    return outputs


def test_the_outputs_are_a_score_per_category_then_the_tags() -> None:
    assert TASK.outputs == 2 + 3 + 2
    assert [(head.kind, head.start, head.stop, head.weight) for head in TASK.heads] == [
        ("tanh", 0, 1, 0.7),
        ("tanh", 1, 2, 0.7),
        ("softmax", 2, 5, 0.3),
        ("softmax", 5, 7, 0.3),
    ]


def test_what_a_text_does_not_know_is_nan() -> None:
    targets = TASK.encode([(Signal("crime", -0.5, "assault"),), (Signal("crime", 0.0), Signal("sports", 0.4))])
    assert targets[0] == pytest.approx([-0.5, np.nan, 2, np.nan], nan_ok=True)
    assert targets[1] == pytest.approx([0.0, 0.4, 0, 0])


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (Signal("weather", 0.1), "none of the categories: crime, sports"),
        (Signal("sports", 0.1, "chess"), "'chess' is not one of the tags of 'sports': football"),
    ],
)
def test_foreign_categories_and_tags_are_refused(signal: Signal, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TASK.encode([(signal,)])


def test_the_answer_is_the_whole_sheet() -> None:
    scores = TASK.scores(_outputs([-0.8, 0.1, 0, 5, 0, 3, 0]))
    assert TASK.decode(scores)[0].to_json() == {
        "signals": [
            {
                "category": "crime",
                "score": pytest.approx(-0.8),
                "tag": "theft",
                "present": True,
                "intensity": "high",
            },
            {"category": "sports", "score": pytest.approx(0.1), "tag": "", "present": False, "intensity": "low"},
        ]
    }


def test_a_category_is_there_by_the_mean_of_its_strength_and_its_tags_probability() -> None:
    evidence = TASK.evidence(TASK.scores(_outputs([0.0, 0.6, -9, 9, -9, 9, -9])))
    assert evidence[0] == pytest.approx([0.5, 0.3], abs=1e-6)


def test_thresholds_decide_what_is_there() -> None:
    scores = TASK.scores(_outputs([-0.8, 0.1, 0, 5, 0, 3, 0]))
    for threshold, there in ((0.0, [True, True]), (0.5, [True, False]), (1.0, [False, False])):
        signals = TASK.with_thresholds(threshold).decode(scores)[0].signals or []
        assert [signal.present for signal in signals] == there


def test_a_neutral_event_that_is_found_with_its_tag_is_right_whatever_the_sign() -> None:
    targets = TASK.encode([(Signal("crime", 0.0, "theft"), Signal("sports", 0.0))] * 2)
    scores = TASK.scores(_outputs([-0.1, 0.1, -9, 9, -9, 9, -9], [0.1, -0.1, -9, 9, -9, 9, -9]))
    assert TASK.right(targets, scores).tolist() == [True, True]


def test_confidence_is_even_at_the_threshold_and_full_where_all_evidence_agrees() -> None:
    task = TASK.with_thresholds(0.5)
    nothing_found = [0.0, 0.0, 1, 0, 0, 1, 0]
    strong_without_a_tag = [1.0, *nothing_found[1:]]
    assert task.confidence(np.array([nothing_found, strong_without_a_tag])).tolist() == [1.0, 0.5]


def test_intensity_is_the_strength_whatever_the_direction() -> None:
    found = [Signal("crime", score).intensity for score in (0.32, -0.33, 0.65, -0.66, 1.0)]
    assert found == ["low", "medium", "medium", "high", "high"]


def test_the_temperature_softens_tags_and_leaves_scores() -> None:
    logits = _outputs([-0.8, 0.1, 0, 5, 0, 3, 0])
    sure, unsure = TASK.scores(logits, 1.0), TASK.scores(logits, 4.0)
    assert (sure[:, :2] == unsure[:, :2]).all() and sure[0, 3] > unsure[0, 3]


def test_metrics_count_only_what_is_known() -> None:
    targets = TASK.encode(
        [
            (Signal("crime", -0.6, "theft"), Signal("sports", 0.0)),
            (Signal("sports", 0.5, "football"),),
            (Signal("crime", 0.0), Signal("sports", 0.5)),
        ]
    )
    scores = TASK.scores(
        _outputs(
            [-0.8, 0.1, 0, 5, 0, 5, 0],  # all right
            [-0.9, -0.5, 0, 0, 5, 0, 5],  # crime is unknown; sports is there with the wrong sign and the right tag
            [-0.5, 0.1, 0, 5, 0, 5, 0],  # crime is said wrongly, sports is missed
        )
    )
    found = TASK.measure(targets, scores).metrics
    assert found["sign_accuracy"] == pytest.approx(2 / 3)
    assert found["score_mae"] == pytest.approx((0.2 + 0.1 + 1.0 + 0.5 + 0.4) / 5)
    assert found["tag_f1"] == pytest.approx(2 * 2 / (2 + 3))
    crime, sports = 2 / 3, 2 / 3  # one right and one wrong; one found and one missed
    assert found["macro_f1"] == pytest.approx((crime + sports) / 2)
    assert TASK.right(targets, scores).tolist() == [True, False, False]
    assert TASK.surprise(targets, scores) == pytest.approx([0.0, 1.0, 0.5])


def test_presence_thresholds_are_tuned_where_there_are_texts_enough() -> None:
    labels = [(Signal("crime", -0.5 if number % 2 else 0.0),) for number in range(40)]
    scores = TASK.scores(_outputs(*([-0.12 if number % 2 else -0.05, 0.1, 0, 0, 0, 0, 0] for number in range(40))))
    tuned = TASK.decided(scores, TASK.encode(labels))
    assert 0.05 < 2 * tuned.decision.thresholds[0] - 2 / 3 < 0.12  # found from the texts; all tags are equal here
    assert tuned.decision.thresholds[1] == 0.25  # nothing is known of sports
    assert TASK.quality(scores, TASK.encode(labels)) == 1.0


def test_words_tell_what_is_there() -> None:
    targets = TASK.encode([(Signal("crime", -0.5, "assault"), Signal("sports", 0.0)), ()])
    assert [TASK.describe(row) for row in targets] == ["crime -0.50 assault", "none"]


def test_an_abstaining_answer_has_no_label() -> None:
    assert Prediction(score=0.4, abstained=True).to_json() == {"label": None, "score": 0.4, "abstained": True}
