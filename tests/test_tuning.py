"""The search: its sums, its study (fake trainings, real Optuna), its page, and the command with the tiny encoder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from copydesk.cli import main as cli
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import CopydeskError, EncoderError, Terminated, UsageError
from copydesk.models import finetune
from copydesk.recipe import Recipe, load_recipe, override, parse_recipe
from copydesk.tasks import make_task
from copydesk.tuning import run
from copydesk.tuning.findings import Attempt, Tuning, by_quarter, chance_difference, plain, rank, settings_of
from copydesk.tuning.page import render_tuning
from copydesk.tuning.run import OnStep, Trained, search, tune_recipe
from copydesk.tuning.study import space_around
from copydesk.types import Step
from fakes import Listener

RECIPE = parse_recipe({"name": "toy"})
CHOICES = {"learning_rate": 2e-4, "batch_tokens": 256, "epochs": 4.0, "frozen_layers": 1, "precision": "fp32"}


@pytest.fixture(scope="module")
def dataset(toy_csv: Path) -> Dataset:
    return prepare_dataset(parse_recipe({"name": "toy"}), toy_csv)


class Pretence:
    """Pretends to train: the quality depends on the learning rate alone, and is best at 5e-4."""

    def __init__(self, *, fails_at: int = -1, error: BaseException | None = None) -> None:
        self.fails_at, self.error = fails_at, error
        self.recipes: list[Recipe] = []
        self.evaluations: list[int] = []

    def __call__(self, recipe: Recipe, on_step: OnStep) -> Trained:
        self.recipes.append(recipe)
        self.evaluations.append(0)
        if self.error is not None and len(self.recipes) - 1 == self.fails_at:
            raise self.error
        given = recipe.train.model_dump()
        choices = {key: value if given[key] == "auto" else given[key] for key, value in CHOICES.items()}
        distance = abs(float(choices["learning_rate"]) - 5e-4)
        for quarter in range(1, 5):
            self.evaluations[-1] += 1
            quality = 0.9 + 0.02 * quarter - 100 * distance
            epoch = quarter * float(choices["epochs"]) / 4
            on_step(Step(quarter, epoch, quarter, loss=1.0))
            on_step(Step(quarter, epoch, quarter, validation_loss=0.1, validation_quality=quality))
        return Trained(choices, layers=6)


def _search(
    dataset: Dataset, train: Pretence, trials: int, recipe: Recipe = RECIPE, listener: Listener | None = None
) -> Tuning:
    path = Path("studies/toy.db")
    return search(recipe, dataset, path, trials=trials, train=train, progress=listener or Listener())


def test_trials_of_different_length_are_compared_at_the_same_share_of_their_schedules() -> None:
    assert by_quarter([(0.1, 0.5), (0.25, 0.6), (0.4, 0.7), (0.5, 0.8), (1.0, 0.9)]) == {1: 0.6, 2: 0.8, 4: 0.9}
    assert by_quarter([(place / 5, place) for place in range(1, 6)]) == {1: 2, 2: 3, 3: 4, 4: 5}
    assert by_quarter([]) == {}


def test_the_search_goes_around_what_auto_chose() -> None:
    space = space_around({**CHOICES, "learning_rate": 0.01, "batch_tokens": 300}, 6, list(CHOICES)[:4])
    assert space["learning_rate"]._contains(0.01) and 300 in space["batch_tokens"].choices  # type: ignore[attr-defined]
    assert (space["epochs"].low, space["epochs"].high) == (1, 8)  # type: ignore[attr-defined]
    assert space["frozen_layers"].high == 6  # type: ignore[attr-defined]


def test_a_learning_rate_is_used_as_it_is_printed() -> None:
    assert settings_of({"learning_rate": 0.000312345, "epochs": 3}) == {"learning_rate": 0.000312, "epochs": 3}
    assert plain(0.000312) == "0.000312" and plain(512) == "512"


def test_chance_alone_moves_a_share_of_few_texts_more() -> None:
    assert chance_difference(0.5, 100) == pytest.approx(0.098)
    assert 0 < chance_difference(1.0, 100) < chance_difference(0.9, 100)


def test_of_equal_qualities_the_surer_trial_is_first_and_the_failed_last() -> None:
    attempts = [
        Attempt(0, "failed", {}),
        Attempt(1, "pruned", {}, 0.99),
        Attempt(2, "complete", {}, 0.9, 0.5),
        Attempt(3, "complete", {}, 0.9, 0.4),
    ]
    assert [attempt.number for attempt in rank(attempts)] == [3, 2, 1, 0]


def test_the_first_trial_is_what_auto_chooses_and_the_rest_lie_in_the_ranges(dataset: Dataset) -> None:
    train = Pretence()
    tuning = _search(dataset, train, 6)
    assert train.recipes[0] == RECIPE
    assert tuning.attempt(0).settings == {key: CHOICES[key] for key in run.SEARCHED}
    assert len(tuning.attempts) == len(train.recipes) == 6
    assert all(recipe.train.precision == "fp32" for recipe in train.recipes[1:])
    for attempt in tuning.attempts:
        for key, (low, high) in tuning.ranges.items():
            assert low * 0.99 <= attempt.settings[key] <= high * 1.01
    best = max((one for one in tuning.attempts if one.state == "complete"), key=lambda one: one.quality or 0)
    assert tuning.best == best.number
    assert tuning.validation_texts == len(dataset.part("validation")[0])


def test_a_trial_that_is_worse_than_most_is_given_up_early(dataset: Dataset) -> None:
    train = Pretence()
    tuning = _search(dataset, train, 10)
    pruned = [attempt for attempt in tuning.attempts if attempt.state == "pruned"]
    assert pruned
    assert all(len(attempt.curve) == train.evaluations[attempt.number] < 4 for attempt in pruned)
    assert all(attempt.number > 2 for attempt in pruned)


def test_the_setting_that_matters_is_the_most_important(dataset: Dataset) -> None:
    importance = _search(dataset, Pretence(), 12).importance
    assert next(iter(importance)) == "learning_rate"
    assert sum(importance.values()) == pytest.approx(1.0)


def test_one_seed_gives_one_search(dataset: Dataset) -> None:
    def settings(path: str) -> list[dict[str, float]]:
        tuning = search(RECIPE, dataset, Path(path), trials=7, train=Pretence(), progress=Listener())
        return [attempt.settings for attempt in tuning.attempts]

    assert settings("a.db") == settings("b.db")


def test_the_same_command_again_continues_up_to_the_number_in_all(dataset: Dataset) -> None:
    first, more, none = Pretence(), Pretence(), Pretence()
    before = _search(dataset, first, 3)
    after = _search(dataset, more, 5)
    _search(dataset, none, 5)
    assert [len(train.recipes) for train in (first, more, none)] == [3, 2, 0]
    assert after.attempts[:3] == before.attempts
    assert len({json.dumps(attempt.settings) for attempt in after.attempts}) == 5


def test_what_is_interrupted_is_tried_again_and_what_is_done_is_kept(dataset: Dataset) -> None:
    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        _search(dataset, Pretence(fails_at=2, error=KeyboardInterrupt()), 4, listener=listener)
    assert "2 trials are kept in 'studies/toy.db'" in listener.warned[0]
    rest = Pretence()
    tuning = _search(dataset, rest, 4)
    assert len(rest.recipes) == 2 and len(tuning.attempts) == 4


def test_a_trial_that_a_killed_process_left_is_not_counted(dataset: Dataset) -> None:
    import optuna

    _search(dataset, Pretence(), 2)
    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    study.ask(study.trials[0].distributions)
    tuning = _search(dataset, Pretence(), 3)
    assert len(tuning.attempts) == 3
    assert all(trial.state.is_finished() for trial in study.get_trials())


def test_a_trial_that_fails_is_a_result_and_the_search_goes_on(dataset: Dataset) -> None:
    listener = Listener()
    tuning = _search(dataset, Pretence(fails_at=1, error=CopydeskError("loss became nan")), 3, listener=listener)
    assert [attempt.state for attempt in tuning.attempts] == ["complete", "failed", "complete"]
    assert tuning.attempts[1].error == "loss became nan"
    assert any("failed: loss became nan" in line for line in listener.said)


def test_sigterm_ends_the_search_and_what_is_done_is_kept(dataset: Dataset) -> None:
    train, listener = Pretence(fails_at=1, error=Terminated("Terminated.")), Listener()
    with pytest.raises(Terminated):
        _search(dataset, train, 4, listener=listener)
    assert len(train.recipes) == 2
    assert listener.warned == ["1 trials are kept in 'studies/toy.db'; the same command continues there."]


@pytest.mark.filterwarnings("error")
def test_every_quarter_is_reported_once_however_often_a_trial_is_evaluated(dataset: Dataset) -> None:
    class Eager(Pretence):
        def __call__(self, recipe: Recipe, on_step: OnStep) -> Trained:
            for eighth in range(1, 9):
                on_step(Step(eighth, eighth * 0.5, 1, validation_loss=0.1, validation_quality=0.5))
            return Trained(CHOICES, layers=6)

    assert len(_search(dataset, Eager(), 3).attempts) == 3


def test_what_would_fail_every_trial_ends_the_search(dataset: Dataset) -> None:
    with pytest.raises(EncoderError):
        _search(dataset, Pretence(fails_at=1, error=EncoderError("no weights")), 3)
    with pytest.raises(CopydeskError, match="disk"):
        search(
            RECIPE,
            dataset,
            Path("b.db"),
            trials=3,
            train=Pretence(fails_at=0, error=CopydeskError("disk")),
            progress=Listener(),
        )


def test_only_what_the_recipe_leaves_open_is_searched(dataset: Dataset) -> None:
    recipe = override(RECIPE, {"train.epochs": 2, "train.batch_tokens": 512, "train.frozen_layers": 0})
    train = Pretence()
    tuning = _search(dataset, train, 3, recipe)
    assert set(tuning.ranges) == {"learning_rate"}
    assert {one.train.epochs for one in train.recipes} == {2}
    assert tuning.kept["epochs"] == 2


def test_a_study_of_other_data_or_another_recipe_is_refused(dataset: Dataset) -> None:
    _search(dataset, Pretence(), 1)
    with pytest.raises(UsageError, match="other settings of the recipe"):
        _search(dataset, Pretence(), 2, override(RECIPE, {"model.max_tokens": 64}))
    fewer = Dataset(dataset.frame.head(200), dataset.manifest)
    with pytest.raises(UsageError, match="another Dataset"):
        _search(fewer, Pretence(), 2)


def test_a_file_that_is_no_study_is_refused(dataset: Dataset) -> None:
    Path("studies").mkdir()
    Path("studies/toy.db").write_text("this is no database, whatever its name says " * 20)
    with pytest.raises(UsageError, match="cannot be used as a study"):
        _search(dataset, Pretence(), 1)


def test_no_trial_is_begun_after_the_time_is_over(dataset: Dataset) -> None:
    listener = Listener()
    tuning = _search(dataset, Pretence(), 9, override(RECIPE, {"tune.timeout_minutes": 1e-9}), listener)
    assert len(tuning.attempts) == 1
    assert "timeout_minutes" in listener.warned[0]


@pytest.mark.parametrize(
    ("values", "trials", "message"),
    [
        ({"model": {"kind": "linear"}}, 3, "nothing to tune"),
        ({}, None, "How many trials"),
        (
            {"train": {"epochs": 1, "learning_rate": 0.1, "batch_tokens": 99, "frozen_layers": 0}},
            3,
            "everything that could",
        ),
    ],
)
def test_nothing_to_search_is_told_before_any_work(
    values: dict[str, object], trials: int | None, message: str, toy_csv: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        tune_recipe(parse_recipe({"name": "toy", **values}), data=toy_csv, trials=trials)
    assert not Path("studies").exists()


class _Balanced(HTMLParser):
    """Finds tags that are not closed, and whatever would make a request or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open += [tag] if tag not in ("meta", "use", "path", "br") else []
        self.outside += [tag] if tag in ("script", "link", "img", "iframe") else []
        self.outside += [value for name, value in attributes if name == "src" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_the_page_stands_alone_and_says_what_was_found(dataset: Dataset) -> None:
    tuning = _search(dataset, Pretence(fails_at=2, error=CopydeskError("<b>nan</b>")), 8)
    page = render_tuning(tuning)
    parsed = _Balanced()
    parsed.feed(page)
    assert parsed.open == [] and parsed.outside == []
    for piece in ('id="history"', 'id="parallel"', 'id="importance"', "given up", "&lt;b&gt;nan", "--ink"):
        assert piece in page
    assert page.count('class="plot"') == 3
    assert len(set(re.findall(r' id="([^"]+)"', page))) == len(re.findall(r' id="([^"]+)"', page))
    assert render_tuning(tuning) == page


def test_one_trial_alone_is_a_page_too(dataset: Dataset) -> None:
    page = render_tuning(_search(dataset, Pretence(), 1))
    assert "none was better than what <em>auto</em> chose" in page
    assert 'id="parallel"' not in page and 'id="importance"' not in page


class _Watched(Dataset):
    """A Dataset that remembers which of its parts were asked for."""

    asked: set[str] = set()

    def part(self, part: str) -> tuple[list[str], list[str]]:  # type: ignore[override]
        self.asked.add(part)
        return super().part(part)  # type: ignore[arg-type]


@pytest.fixture
def open_recipe(encoder_recipe: Recipe) -> Recipe:
    return override(encoder_recipe, {"train.learning_rate": "auto", "train.epochs": 2})


def test_the_test_part_is_never_looked_at(open_recipe: Recipe, dataset: Dataset) -> None:
    watched = _Watched(dataset.frame, dataset.manifest)
    train = run._trainer(open_recipe, watched, Listener())
    search(open_recipe, watched, Path("s.db"), trials=2, train=train, progress=Listener())
    assert watched.asked == {"train", "validation"}


def test_a_fine_tuning_tells_its_steps_and_ends_where_the_listener_raises(
    open_recipe: Recipe, dataset: Dataset
) -> None:
    told: list[Step] = []

    class Enough(Exception):
        pass

    def listen(step: Step) -> None:
        told.append(step)
        if step.validation_quality is not None:
            raise Enough

    task = make_task("single", dataset.labels)
    with pytest.raises(Enough):
        finetune.fine_tune(open_recipe, dataset, task, progress=Listener(), on_step=listen)
    assert [step.validation_quality is not None for step in told].count(True) == 1
    told.clear()
    tuned = finetune.fine_tune(open_recipe, dataset, task, progress=Listener(), on_step=told.append)
    assert told == tuned.history


def test_the_judges_see_as_many_texts_as_fine_tuning_evaluates() -> None:
    assert run.JUDGED_TEXTS == finetune._VALIDATION_TEXTS


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["copydesk", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return call


def test_the_command_writes_findings_and_prints_how_to_train_with_them(
    command: Callable[..., tuple[int, str, str]], tiny_encoder: Path, toy_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text(
        f"name: toy\nmodel: {{encoder: '{tiny_encoder}', max_tokens: 32}}\n"
        "train: {epochs: 2, batch_tokens: 256}\ntune: {trials: 3}\n"
    )
    code, out, err = command("tune", "toy.yaml", "--data", str(toy_csv))
    assert code == 0, err
    assert out.splitlines()[-1] == "tuning: tunings/toy-1"
    assert "trial 0: what auto chooses" in err and "(3 of 3)" in err
    folder = tmp_path / "tunings" / "toy-1"
    assert sorted(file.name for file in folder.iterdir()) == ["best.yaml", "report.html", "trials.json"]
    found = json.loads((folder / "trials.json").read_text())
    best = yaml.safe_load((folder / "best.yaml").read_text())["train"]
    assert len(found["attempts"]) == 3 and set(best) == {"learning_rate", "frozen_layers"}
    (line,) = (line for line in out.splitlines() if line.startswith("copydesk train"))
    assert f"--set train.learning_rate={best['learning_rate']:g}" in line and f"--data {toy_csv}" in line
    overrides = dict(pair.split("=") for pair in re.findall(r"--set (\S+)", line))
    load_recipe("toy.yaml", {key: yaml.safe_load(value) for key, value in overrides.items()})
    code, out, err = command("tune", "toy.yaml", "--data", str(toy_csv), "--json", "--out", "again")
    assert code == 0 and json.loads(out)["findings"]["attempts"] == found["attempts"]


def test_the_command_refuses_what_cannot_be_tuned(
    command: Callable[..., tuple[int, str, str]], toy_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text("name: toy\nmodel: {kind: linear}\n")
    code, out, err = command("tune", "toy.yaml", "--data", str(toy_csv), "--trials", "2")
    assert (code, out) == (2, "")
    assert "nothing to tune. Use --set model.kind=encoder" in err
