import subprocess
import sys
from pathlib import Path

import numpy as np

from copydesk.models.linear import LinearModel
from copydesk.tasks import make_task
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
