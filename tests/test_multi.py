import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss, precision_score, recall_score

from copydesk.errors import DataError, UsageError
from copydesk.metrics.multi import measure_multi, micro_f1
from copydesk.tasks import make_task
from copydesk.types import Decision

LABELS = ["cs.CL", "cs.LG", "stat.ML"]
TASK = make_task("multi", LABELS)


def _task(**decision: object) -> object:
    return make_task("multi", LABELS, decision=Decision(**decision))  # type: ignore[arg-type]


def test_labels_become_ones() -> None:
    assert TASK.encode([("cs.LG",), ("cs.CL", "stat.ML"), ()]).tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(DataError, match=r"'math.ST' is not one of the model's: cs.CL, cs.LG, stat.ML"):
        TASK.encode([("math.ST",)])


def test_every_label_over_its_threshold_is_given_the_surest_first() -> None:
    answer = _task(thresholds=(0.5, 0.5, 0.2)).decode(np.array([[0.6, 0.9, 0.3]]))[0]  # type: ignore[attr-defined]
    assert answer.to_json() == {"labels": ["cs.LG", "cs.CL", "stat.ML"]}


def test_a_text_without_a_label_over_its_threshold_gets_none_or_the_nearest_one() -> None:
    scores = np.array([[0.3, 0.4, 0.1]])
    thresholds = (0.5, 0.9, 0.5)
    assert _task(thresholds=thresholds).decode(scores)[0].labels == []  # type: ignore[attr-defined]
    nearest = _task(thresholds=thresholds, min_labels=1).decode(scores)[0]  # type: ignore[attr-defined]
    assert nearest.labels == ["cs.CL"]  # 0.3 of 0.5 is nearer than 0.4 of 0.9


def test_a_model_that_abstains_gives_no_label_and_says_so() -> None:
    answer = _task(abstain_below=0.5, min_labels=1).decode(np.array([[0.3, 0.4, 0.1]]))[0]  # type: ignore[attr-defined]
    assert answer.to_json() == {"labels": [], "abstained": True}


def test_thresholds_are_tuned_where_there_are_texts_enough_and_shared_where_not() -> None:
    chance = np.random.default_rng(0)
    targets = np.zeros((400, 3), np.float32)
    targets[:100, 0] = targets[:60, 1] = 1
    targets[:3, 2] = 1
    scores = np.where(targets > 0, [[0.8, 0.3, 0.05]], [[0.4, 0.1, 0.01]]) + chance.uniform(0, 0.02, (400, 3))
    common, other, rare = TASK.decided(scores, targets).decision.thresholds
    assert 0.42 < common < 0.8 and 0.12 < other < 0.3 and 0.03 < rare < 0.05
    for few in (targets[:, 2], targets[:, 2] * 0):  # also if no validation text has the label
        targets[:, 2] = few
        assert len(TASK.decided(scores, targets).decision.thresholds) == 3


def test_for_micro_f1_there_is_one_threshold() -> None:
    scores = np.random.default_rng(0).random((50, 3))
    task = make_task("multi", LABELS, decision=Decision(aim="micro_f1"))
    assert len(set(task.decided(scores, (scores > 0.6).astype(np.float32)).decision.thresholds)) == 1


def test_thresholds_can_be_changed_by_label_or_for_all() -> None:
    scores = np.array([[0.6, 0.6, 0.6]])
    assert TASK.with_thresholds(0.7).decode(scores)[0].labels == []
    assert TASK.with_thresholds({"cs.LG": 0.7}).decode(scores)[0].labels == ["cs.CL", "stat.ML"]
    with pytest.raises(UsageError, match="Threshold for 'math'"):
        TASK.with_thresholds({"math": 0.5})
    with pytest.raises(UsageError, match="not between 0 and 1"):
        TASK.with_thresholds(1.5)


@pytest.mark.filterwarnings("error")
def test_a_threshold_of_zero_gives_every_label() -> None:
    task = _task(min_labels=1).with_thresholds(0.0)  # type: ignore[attr-defined]
    assert task.given(np.zeros((1, len(task.labels)))).all()


def test_a_single_task_has_no_thresholds() -> None:
    with pytest.raises(UsageError, match="this model's task is 'single'"):
        make_task("single", LABELS).with_thresholds(0.5)


def test_metrics_agree_with_scikit_learn() -> None:
    chance = np.random.default_rng(1)
    truth = chance.random((300, 6)) < 0.3
    given = np.where(chance.random((300, 6)) < 0.8, truth, chance.random((300, 6)) < 0.3)
    names = [str(place) for place in range(6)]
    found = measure_multi(truth, given, given.astype(float), names, np.full(6, 0.5))
    for mean in ("micro", "macro", "weighted", "samples"):
        for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            expected = score(truth, given, average=mean, zero_division=0)
            assert found.metrics[f"{mean}_{name}"] == pytest.approx(expected), (mean, name)
    assert found.metrics["hamming"] == pytest.approx(hamming_loss(truth, given))
    assert found.metrics["subset_accuracy"] == pytest.approx((truth == given).all(1).mean())
    assert micro_f1(truth, given) == pytest.approx(found.metrics["micro_f1"])
    assert all(low <= found.metrics[name] <= high for name, (low, high) in found.intervals.items())


def test_labels_that_are_never_given_are_named() -> None:
    truth = np.array([[True, False], [True, True]])
    given = np.array([[True, False], [True, False]])
    notes = measure_multi(truth, given, given.astype(float), ["common", "rare"], np.full(2, 0.5)).notes
    assert "1 labels that occur in the test part were never given: rare" in notes[0]


def test_right_surprise_and_words_tell_of_one_text() -> None:
    targets = TASK.encode([("cs.CL",), ("cs.LG",)])
    scores = np.array([[0.9, 0.2, 0.1], [0.8, 0.7, 0.1]])
    assert TASK.right(targets, scores).tolist() == [True, False]
    assert TASK.surprise(targets, scores).tolist() == [0.0, 0.8]
    assert [TASK.describe(row) for row in TASK.answers(scores)] == ["cs.CL", "cs.CL, cs.LG"]


def test_confidence_is_that_every_label_is_rightly_given_or_not() -> None:
    assert TASK.confidence(np.array([[0.9, 0.2, 0.1]])).tolist() == pytest.approx([0.9 * 0.8 * 0.9])
