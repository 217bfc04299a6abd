"""The checks of model development: each passes where it should, and fails on a planted fault."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from checked import MADE, noisy_rows, outcome_of, recipe_of, spoil, subject_in, trained
from copydesk.checks import search
from copydesk.checks.search import Searched, best_of_few, study_of
from copydesk.checks.simple import naive_bayes
from copydesk.checks.subject import Subject
from copydesk.runtime.versions import version_of
from copydesk.tuning.study import judged_by, open_study
from copydesk.types import BehaviourResult
from fakes import toy_rows


@pytest.fixture
def subject(checked_folder: Path, tmp_path: Path) -> Subject:
    return subject_in(checked_folder, tmp_path / "work")


def git(folder: Path, *words: str, name: str = "Ada") -> None:
    person = {
        f"GIT_{role}_{what}": f"{name}@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **person})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a git repository with the checked recipe, not reviewed."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "toy.yaml").write_text(yaml.safe_dump(MADE))
    (folder / "other.yaml").write_text("name: toyish\n")
    (folder / "broken.yaml").write_text("name: toy\n  no: yaml")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "A recipe")
    return folder


def test_a_recipe_is_reviewed_where_git_shows_a_second_person(subject: Subject, repository: Path) -> None:
    subject.folder = repository
    found = outcome_of("model.spec_reviewed", subject)
    assert found.status == "skipped" and "git shows no review" in found.evidence
    git(repository, "commit", "-q", "--amend", "-m", "A recipe\n\nReviewed-by: Charles <charles@example.org>")
    found = outcome_of("model.spec_reviewed", subject)
    assert found.status == "passed" and "Reviewed-by: Charles" in found.evidence


def test_a_merge_by_another_counts_as_a_review(subject: Subject, repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "change")
    (repository / "toy.yaml").write_text("# said twice\n" + yaml.safe_dump(MADE))
    git(repository, "commit", "-q", "-a", "-m", "A change")
    git(repository, "checkout", "-q", "-")
    git(repository, "merge", "-q", "--no-ff", "-m", "Merge", "change", name="Charles")
    subject.folder = repository
    found = outcome_of("model.spec_reviewed", subject)
    assert found.status == "passed" and "merged by another" in found.evidence


def test_a_recipe_that_was_edited_or_is_not_the_bundles_fails(subject: Subject, repository: Path) -> None:
    subject.folder = repository
    (repository / "toy.yaml").write_text(yaml.safe_dump({**MADE, "gate": {"floors": {"accuracy": 0.1}}}))
    assert "was edited since" in outcome_of("model.spec_reviewed", subject).evidence
    git(repository, "commit", "-q", "-a", "-m", "Lower\n\nReviewed-by: Charles <c@example.org>")
    found = outcome_of("model.spec_reviewed", subject)
    assert found.status == "failed" and "differs from the bundle's recipe in gate" in found.evidence


def test_outside_of_a_repository_nothing_is_known_of_reviews(subject: Subject, tmp_path: Path) -> None:
    subject.folder = tmp_path
    found = outcome_of("model.spec_reviewed", subject)
    assert found.status == "skipped" and "no git repository" in found.evidence


def feedback(subject: Subject, path: Path, *, wrong: int, count: int = 80, version: str = "") -> None:
    """Write what users said of the model's own answers, of which so many were not right."""
    texts = [text for text, _ in toy_rows(count, seed=99)]
    served = version or version_of(subject.classifier, subject.bundle.path).version
    other = {"sport": "money", "money": "sport"}
    with path.open("w") as file:
        for place, (text, answer) in enumerate(zip(texts, subject.classifier.predict(texts), strict=True)):
            label = str(answer.label)
            said = {"id": f"{served}.{place:016x}", "label": other[label] if place < wrong else label, "text": text}
            file.write(json.dumps(said) + "\n")
        file.write("{broken\n")
        file.write(json.dumps({"id": f"{served}.{0:016x}", "label": "sport"}) + "\n")
    subject.feedback = path


@pytest.mark.parametrize(("check", "wrong"), [("model.online_metrics", 70), ("monitoring.served_quality", 70)])
def test_served_answers_are_held_against_the_test_part(
    check: str, wrong: int, subject: Subject, tmp_path: Path
) -> None:
    feedback(subject, tmp_path / "feedback.jsonl", wrong=6)
    found = outcome_of(check, subject)
    assert found.status == "passed" and found.n == 80, found.evidence
    feedback(subject, tmp_path / "feedback.jsonl", wrong=wrong)
    assert outcome_of(check, subject).status == "failed"


def test_too_little_feedback_decides_nothing_and_says_what_did_not_count(subject: Subject, tmp_path: Path) -> None:
    assert "POST /v1/feedback" in outcome_of("model.online_metrics", subject).evidence
    feedback(subject, tmp_path / "feedback.jsonl", wrong=0, version="another")
    found = outcome_of("monitoring.served_quality", subject)
    assert (
        found.status == "skipped" and "80 of another version" in found.evidence and "1 not readable" in found.evidence
    )


def test_a_small_search_finds_settings_that_are_good_enough(subject: Subject) -> None:
    found = outcome_of("model.tuned", subject)
    assert found.status == "passed" and found.n == 3 and "folds" in found.evidence


def test_settings_that_are_badly_off_are_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_STRENGTHS", (1e-9, 10.0))
    monkeypatch.setattr(search, "_USED_STRENGTH", 1e-9)
    found = outcome_of("model.tuned", subject)
    assert found.status == "failed" and "strength 10" in found.evidence


def test_a_study_of_this_recipe_and_data_is_used_and_another_is_not(subject: Subject, tmp_path: Path) -> None:
    from optuna.distributions import FloatDistribution
    from optuna.trial import create_trial

    subject.folder = tmp_path
    facts = {"data": subject.dataset.content_hash(), "recipe": judged_by(subject.recipe)}
    study = open_study(tmp_path / "studies" / "toy.db", subject.recipe, facts)
    study.set_user_attr("precision", "fp32")
    for place in range(6):
        rate = 10.0 ** -(place + 1)
        kept = {"quality": 0.9 if place == 5 else 0.5, "loss": 0.1, "curve": [], "seconds": 1.0}
        trial = create_trial(
            params={"learning_rate": rate},
            distributions={"learning_rate": FloatDistribution(1e-7, 1.0, log=True)},
            value=kept["quality"],
            user_attrs={"facts": kept},
        )
        study.add_trial(trial)
    found = study_of(subject)
    assert isinstance(found, Searched) and (found.used, found.best, found.trials) == (0.5, 0.9, 6)
    assert outcome_of("model.tuned", subject).status == "failed"
    study.set_user_attr("data", "another")
    assert study_of(subject) is None and best_of_few(subject).trials == 3


def dated(count: int = 300) -> list[tuple[str, str, str]]:
    begin = date(2026, 1, 1)
    return [(text, str(begin + timedelta(days=place)), label) for place, (text, label) in enumerate(toy_rows(count))]


def test_staleness_is_known_where_the_data_has_times_and_only_there(subject: Subject, tmp_path: Path) -> None:
    found = outcome_of("model.staleness_known", subject)
    assert found.status == "skipped" and "no time column" in found.evidence
    recipe = recipe_of(prepare={"split": {"by": "time", "time": "when"}}, rules={})
    folder = trained(tmp_path / "dated", recipe, dated(), ("text", "when", "label"))
    found = outcome_of("model.staleness_known", subject_in(folder, tmp_path / "dated-work"))
    assert found.status == "passed" and len(found.figures) == 4, found.evidence
    few = subject_in(folder, tmp_path / "few-work")
    few.dataset = type(few.dataset)(few.dataset.frame.head(100), few.dataset.manifest)
    assert "50 each are needed" in outcome_of("model.staleness_known", few).evidence


def test_a_simpler_model_must_not_be_better(subject: Subject) -> None:
    known = dict(zip(*subject.held_out, strict=True))
    linear = subject.classifier.model
    place = {name: number for number, name in enumerate(subject.classifier.labels)}
    spoil(subject, lambda texts, _: np.eye(2)[[place[known[text]] for text in texts]]).classifier.model.kind = "encoder"
    found = outcome_of("model.simpler_not_better", subject)
    assert found.status == "passed" and "the linear model" in found.evidence, found.evidence
    assert found.figures["right"] == 1.0 > found.figures["simple"] > 0.5
    subject.classifier.model = linear
    worse = outcome_of("model.simpler_not_better", spoil(subject, lambda _, logits: logits * 0))
    assert worse.status == "failed" and "naive Bayes" in worse.evidence


def test_naive_bayes_learns_words() -> None:
    answer = naive_bayes(["a goal", "the goal", "a bank"], ["sport", "sport", "money"])
    assert answer(["goal", "bank", "nothing known"]) == ["sport", "money", "sport"]


def test_a_slice_that_is_ruined_is_named(subject: Subject) -> None:
    found = outcome_of("model.slices", subject)
    assert found.status == "passed" and found.figures["slices"] >= 2, found.evidence
    sport = subject.classifier.labels.index("sport")
    found = outcome_of("model.slices", spoil(subject, lambda texts, _: np.eye(2)[[sport] * len(texts)]))
    assert found.status == "failed" and "too weak: label: money 0.0%" in found.evidence


def behaviour(passed: int, capability: str = "fairness") -> BehaviourResult:
    return BehaviourResult("names", "INV", 50, passed, (0.0, 1.0), 0.95, capability=capability)


def test_behaviours_of_fairness_decide_about_inclusion(subject: Subject) -> None:
    assert "no behaviour has the capability fairness" in outcome_of("model.inclusion", subject).evidence
    subject.behaviours = [behaviour(0, "negation"), behaviour(49)]
    assert outcome_of("model.inclusion", subject).status == "passed"
    subject.behaviours = [behaviour(50), behaviour(30)]
    found = outcome_of("model.inclusion", subject)
    assert found.status == "failed" and "names 30/50" in found.evidence and found.n == 100


def test_of_other_data_nobody_knows_what_the_model_has_seen(checked_folder: Path, tmp_path: Path) -> None:
    folder = trained(tmp_path / "other", recipe_of(), noisy_rows(200))
    other = subject_in(checked_folder, tmp_path / "work", data=str(folder / "data.csv"))
    for check in ("model.slices", "model.simpler_not_better", "monitoring.no_skew"):
        found = outcome_of(check, other)
        assert found.status == "skipped" and "not the Dataset that it was trained on" in found.evidence
    assert np.isfinite(outcome_of("monitoring.not_stale", other).figures["days"])
