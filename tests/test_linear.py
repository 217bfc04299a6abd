import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from copydesk.models.linear import LinearModel
from copydesk.models.linear_features import Features
from copydesk.models.linear_matrix import matrix_of
from copydesk.models.linear_softmax import fit_softmax
from copydesk.tasks import make_task
from copydesk.types import Signal
from fakes import MONEY, SPORT, toy_rows


def _fitted(labels: int = 2) -> LinearModel:
    rows = toy_rows()
    targets = np.array([int(label == "sport") for _, label in rows])
    return LinearModel.fit([text for text, _ in rows], targets, make_task("single", [*"abcdef"][:labels]))


def test_it_learns_which_words_belong_to_which_label() -> None:
    logits = _fitted().logits([" ".join(SPORT[:3]), " ".join(MONEY[:3])])
    assert logits.argmax(axis=1).tolist() == [1, 0]


def test_unseen_words_leave_only_the_bias() -> None:
    model = _fitted()
    assert (model.logits(["ЖЖЖЖ ЩЩ"]) == model.logits([""])).all()


def test_three_labels_have_three_columns() -> None:
    texts = [f"{word} {number}" for number in range(20) for word in ("red", "green", "blue")]
    model = LinearModel.fit(texts, np.array([0, 1, 2] * 20), make_task("single", ["r", "g", "b"]))
    assert model.logits(["red 99", "green 99", "blue 99"]).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_label_without_training_rows_is_never_answered() -> None:
    assert _fitted(labels=3).logits([text for text, _ in toy_rows(50)]).argmax(axis=1).max() == 1


def test_fitting_twice_gives_the_same_model() -> None:
    texts = [text for text, _ in toy_rows(50)]
    assert (_fitted().logits(texts) == _fitted().logits(texts)).all()


def test_predicting_needs_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    _fitted().save(tmp_path)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from copydesk.models.linear import LinearModel\n"
        f"LinearModel.load(Path({str(tmp_path)!r})).logits(['goal'])\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'scipy', 'polars')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_several_labels_are_fitted_one_by_one() -> None:
    task = make_task("multi", ["money", "never", "sport"])
    rows = [(text, (label,)) for text, label in toy_rows()]
    rows += [
        (f"{first[0]} {second[0]}", ("money", "sport")) for first, second in zip(rows[:60:2], rows[1:60:2], strict=True)
    ]
    targets = task.encode([label for _, label in rows])
    scores = task.scores(LinearModel.fit([text for text, _ in rows], targets, task).logits([*SPORT[:1], "bank goal"]))
    assert scores[0, 2] > 0.5 > scores[0, 0] and scores[0, 1] < 0.01
    assert min(scores[1, 0], scores[1, 2]) > 0.3


def test_balanced_weights_find_more_of_a_rare_label() -> None:
    rows = [row for row in toy_rows(400) if row[1] == "money"] + toy_rows(30)
    task = make_task("multi", ["money", "sport"])
    targets = task.encode([(label,) for _, label in rows])
    plain, balanced = (
        task.scores(LinearModel.fit([text for text, _ in rows], targets, task, balanced=flag).logits([SPORT[0]]))
        for flag in (False, True)
    )
    assert balanced[0, 1] > plain[0, 1]


def test_scores_and_tags_of_signals_are_fitted_where_they_are_known() -> None:
    task = make_task("signals", ["economics", "sports"], categories={"economics": ["trade"], "sports": ["game"]})
    rows = toy_rows()
    targets = task.encode(
        [
            (Signal("sports", 0.8, "game"), Signal("economics", 0.0))
            if label == "sport"
            else (Signal("economics", -0.6, "trade"),)
            for _, label in rows
        ]
    )
    model = LinearModel.fit([text for text, _ in rows], targets, task)
    sport, money = task.decode(task.scores(model.logits([" ".join(SPORT), " ".join(MONEY)])))
    assert (sport.signals or [])[0].score > -0.2 and (sport.signals or [])[1].tag == "game"
    assert (money.signals or [])[0].score < -0.4 and (money.signals or [])[0].tag == "trade"


def test_more_columns_than_a_few_give_the_same_sums() -> None:
    texts = [f"{word} {number}" for number in range(20) for word in ("red", "green", "blue")]
    few, many = make_task("single", [*"abc"]), make_task("single", [*"abcdefghijklmnopqrstuvwxyz"])
    targets = np.array([0, 1, 2] * 20)
    wanted = LinearModel.fit(texts, targets, few).logits(["red 1", "", "green"])
    assert LinearModel.fit(texts, targets, many).logits(["red 1", "", "green"])[:, :3] == pytest.approx(
        wanted, abs=1e-4
    )


def test_a_text_that_hardly_belongs_to_any_of_many_labels_still_counts() -> None:
    task = make_task("single", [f"label {number}" for number in range(60)])
    texts = ["nothing but doubt", "surely the first"] * 30
    soft = np.tile(np.array([[1 / 60] * 60, [1.0] + [0.0] * 59], np.float32), (30, 1))
    model = LinearModel.fit(texts, soft, task, heads=[replace(task.heads[0], soft=True)])
    doubtful, sure = task.scores(model.logits(texts[:2]))
    assert sure[0] > 0.9 and doubtful.max() < 0.1


def test_two_exclusive_labels_with_probabilities_share_one_column() -> None:
    task, texts = make_task("single", ["a", "b"]), [text for text, _ in toy_rows(40)]
    soft = np.tile(np.array([[0.8, 0.2], [0.3, 0.7]], np.float32), (20, 1))
    logits = LinearModel.fit(texts, soft, task, heads=[replace(task.heads[0], soft=True)]).logits(texts)
    assert logits.shape == (40, 2) and (logits[:, 0] == -logits[:, 1]).all()


@pytest.mark.parametrize("labels", [2, 4])
def test_shares_of_labels_are_fitted_as_scikit_learn_fits_a_row_for_each(labels: int) -> None:
    texts = [text for text, _ in toy_rows(60)]
    shares = np.random.default_rng(0).dirichlet(np.ones(labels), len(texts)).astype(np.float32)
    matrix, _, _ = matrix_of(Features(), texts)
    weights, bias = fit_softmax(matrix, shares, 10.0)
    rows, places = np.divmod(np.arange(shares.size), labels)
    theirs = LogisticRegression(C=10.0, max_iter=1_000, tol=1e-8).fit(matrix[rows], places, shares.ravel())
    assert matrix @ weights + bias == pytest.approx(matrix @ theirs.coef_.T + theirs.intercept_, abs=0.02)


def test_a_matrix_in_many_parts_gives_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for text, _ in toy_rows(60)]
    matrix, _, _ = matrix_of(Features(), texts)
    shares = np.tile(np.eye(2, dtype=np.float32), (30, 1))
    whole, _ = fit_softmax(matrix, shares, 10.0)
    monkeypatch.setattr("copydesk.models.linear_softmax._ENTRIES", 500)
    parts, _ = fit_softmax(matrix, shares, 10.0)
    assert parts == pytest.approx(whole, abs=1e-3)


def test_a_matrix_made_chunk_by_chunk_is_that_of_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for text, _ in toy_rows(60)] + [""]
    whole, known, weights = matrix_of(Features(), texts)
    monkeypatch.setattr("copydesk.ngrams._CHUNK_CHARACTERS", 100)
    again, known_again, weights_again = matrix_of(Features(), texts)
    assert (whole != again).nnz == 0 and whole.shape == (61, sum(map(len, known)))
    assert all(map(np.array_equal, [*known, *weights], [*known_again, *weights_again]))
