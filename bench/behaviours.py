"""Does repair work? A model before and after it is trained with the rows that `suggest` makes for what it failed.

    python bench/behaviours.py restaurant reviews.tsv --model linear --seeds 3

Both models are asked the same fresh cases, drawn by other seeds than those that showed what failed; a lesson can be
none of them. But lessons fill the templates that the cases fill, with other words: `--other` names a suite of other
sentences (bench/behaviours_restaurant.yaml), which tells how far the repair reaches. `--before` is a bundle that was
trained already, on the same data.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from copydesk.behaviour.load import Suite, load_suite
from copydesk.behaviour.run import run_suite
from copydesk.behaviour.teach import suggest, write_lessons
from copydesk.data.dataset import Dataset
from copydesk.data.prepare import prepare_dataset
from copydesk.metrics.paired import drop_p_value
from copydesk.recipe import load_recipe, override, shipped_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from copydesk.types import BehaviourResult

_FIRST_SEED = 101
Rates = dict[str, tuple[int, int]]


def main() -> None:
    """Measure one recipe and print a table."""
    arguments = _arguments()
    recipe = override(load_recipe(shipped_recipe(arguments.recipe)), _settings(arguments))
    suite = load_suite(recipe.behaviours or "", recipe)
    seeds = range(_FIRST_SEED, _FIRST_SEED + arguments.seeds)
    with tempfile.TemporaryDirectory() as folder:
        dataset = prepare_dataset(recipe, arguments.data)
        data = Path(folder) / "data"
        dataset.save(data)
        before = Classifier.load(arguments.before or train_bundle(recipe, data=data, out=Path(folder) / "before").path)
        results = _asked(suite, before, dataset, 0)
        lessons = suggest(suite, results, texts=dataset.part("train")[0], labels=dataset.part("train")[1])
        write_lessons(Path(folder) / "lessons.jsonl", lessons, recipe)
        taught = override(recipe, {"prepare.lessons": str(Path(folder) / "lessons.jsonl")})
        after = Classifier.load(train_bundle(taught, data=data, out=Path(folder) / "after").path)
        rows = len(dataset.part("train")[0])
        print(f"{recipe.name}, {recipe.model.kind}: {len(lessons.lessons)} lessons beside {rows:,} training texts")
        failed = {result.name for result in results if not result.holds}
        _print_rates(_rates(suite, before, dataset, seeds), _rates(suite, after, dataset, seeds), failed)
        if arguments.other:
            other = load_suite(arguments.other, recipe)
            print("  other sentences, of which no template was taught:")
            _print_rates(_rates(other, before, dataset, seeds), _rates(other, after, dataset, seeds), set())
        _print_test(before, after, dataset)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="the name of a recipe that comes with Copydesk")
    parser.add_argument("data", help="its data")
    parser.add_argument("--model", default="linear", help="the kind of model")
    parser.add_argument("--label", help="the label column, where it is not the recipe's")
    parser.add_argument("--before", help="a bundle that was trained on the same data")
    parser.add_argument("--other", help="a suite about the same in other sentences, that nothing is taught of")
    parser.add_argument("--seeds", type=int, default=3, help="how many fresh sets of cases")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> dict[str, str]:
    return {"model.kind": arguments.model} | ({"label": arguments.label} if arguments.label else {})


def _asked(suite: Suite, classifier: Classifier, dataset: Dataset, seed: int) -> list[BehaviourResult]:
    texts, labels = dataset.part("test")
    return run_suite(suite, classifier, texts=texts, labels=labels, seed=seed)


def _rates(suite: Suite, classifier: Classifier, dataset: Dataset, seeds: Sequence[int]) -> Rates:
    """Return each behaviour's passed and asked cases, over all seeds."""
    rates: Rates = {}
    for seed in seeds:
        for result in _asked(suite, classifier, dataset, seed):
            passed, asked = rates.get(result.name, (0, 0))
            rates[result.name] = (passed + result.passed, asked + result.n)
    return rates


def _print_rates(before: Rates, after: Rates, failed: set[str]) -> None:
    for name, (passed, asked) in before.items():
        better = after[name][0]
        mark = "taught" if name in failed else ""
        if asked:
            print(f"  {name:58} {asked:5} cases  {passed / asked:7.1%} -> {better / asked:7.1%}  {mark}")
    for what, names in (("taught", failed), ("not taught", before.keys() - failed)):
        asked = sum(before[name][1] for name in names)
        rates = [sum(table[name][0] for name in names) / max(asked, 1) for table in (before, after)]
        print(f"  {what.upper():58} {asked:5} cases  {rates[0]:7.1%} -> {rates[1]:7.1%}")


def _print_test(before: Classifier, after: Classifier, dataset: Dataset) -> None:
    texts, labels = dataset.part("test")
    right = [model.task.right(model.task.encode(labels), model.scores(texts)) for model in (before, after)]
    losses, gains = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    chance = drop_p_value(losses, gains, len(texts), 0.02)
    headline = before.task.headline
    figures = [model.report.metrics[headline] for model in (before, after)]
    print(f"  test part, {len(texts):,} texts: {headline} {figures[0]:.4f} -> {figures[1]:.4f}; ", end="")
    print(f"{gains} answers became right, {losses} wrong; p of a drop of 2 points or more: {chance:.2g}")


if __name__ == "__main__":
    main()
