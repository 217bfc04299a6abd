import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from copydesk.data import columns, label_kinds
from copydesk.data.dataset import load_dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.prepare import prepare_dataset
from copydesk.errors import DataError, RecipeError, SourceError, UsageError
from copydesk.recipe import Recipe, override, parse_recipe
from fakes import Listener, toy_rows, write_csv

RECIPE = parse_recipe({"name": "toy"})


def _prepare(path: Path, rows: list[tuple[str, str]], recipe: Recipe = RECIPE) -> pl.DataFrame:
    return prepare_dataset(recipe, write_csv(path / "rows.csv", rows)).frame


def test_the_manifest_says_what_was_dropped_and_why(tmp_path: Path) -> None:
    rows = [
        *toy_rows(),
        ("", "sport"),
        ("no label here", ""),
        toy_rows()[0],
        (toy_rows()[1][0] + " !", toy_rows()[1][1]),
    ]
    manifest = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).manifest
    assert manifest["rows_read"] == 244
    assert (
        manifest["dropped"]["empty text"] == manifest["dropped"]["no label"] == manifest["dropped"]["exact copy"] == 1
    )
    assert manifest["dropped"]["near-copy"] >= 1
    assert manifest["rows"] == 244 - sum(manifest["dropped"].values())
    assert sum(sum(counts.values()) for counts in manifest["counts"].values()) == manifest["rows"]


def test_no_near_copy_of_a_test_text_is_in_training(tmp_path: Path) -> None:
    chatter = [(f"{text} extra{number}", label) for text, label in toy_rows(150) for number in range(3)]
    recipe = override(RECIPE, {"prepare.dedupe": "exact"})
    frame = _prepare(tmp_path, chatter, recipe)
    texts, parts = frame["text"].to_list(), frame["split"].to_list()
    pairs = find_near_duplicates(texts, recipe.prepare.split.similarity).pairs
    assert len(pairs) > 100
    assert all(parts[first] == parts[second] for first, second in pairs)


def test_a_near_copy_with_another_label_stays_but_in_the_same_part(tmp_path: Path) -> None:
    twins = [
        ("the food in this place was really very good indeed", "sport"),
        ("the food in this place was really very bad indeed", "money"),
    ]
    frame = _prepare(tmp_path, [*toy_rows(), *twins])
    rows = frame.filter(pl.col("text").str.contains("food"))
    assert rows.height == 2
    assert rows["split"].n_unique() == 1


def test_rows_can_be_split_one_by_one_with_all_copies_kept(tmp_path: Path) -> None:
    recipe = override(RECIPE, {"prepare.dedupe": "none", "prepare.split.by": "row"})
    frame = _prepare(tmp_path, [*toy_rows(), toy_rows()[0]], recipe)
    assert frame.height == 241
    assert frame["id"].n_unique() == 241


def test_the_same_rows_give_the_same_dataset(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", toy_rows())
    first, second = prepare_dataset(RECIPE, path), prepare_dataset(RECIPE, path)
    assert first.content_hash() == second.content_hash()
    assert first.frame.equals(second.frame)


def test_a_dataset_survives_being_saved_and_is_taken_as_it_is(tmp_path: Path) -> None:
    dataset = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows()))
    dataset.save(tmp_path / "set")
    again = prepare_dataset(override(RECIPE, {"prepare.split.test": 0.5}), tmp_path / "set")
    assert again.frame.equals(dataset.frame)
    assert again.manifest["content"] == dataset.content_hash()


def test_a_changed_dataset_is_refused(tmp_path: Path) -> None:
    prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows())).save(tmp_path / "set")
    with (tmp_path / "set" / "data.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SourceError, match="was changed after it was prepared"):
        load_dataset(tmp_path / "set")
    (tmp_path / "set" / "manifest.json").write_text("{}")
    with pytest.raises(SourceError, match="is not a Dataset's manifest"):
        load_dataset(tmp_path / "set")


def test_a_dataset_of_an_unknown_task_or_without_its_column_is_refused(tmp_path: Path) -> None:
    dataset = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows()))
    replace(dataset, manifest={**dataset.manifest, "task": "multi"}, frame=dataset.frame.with_columns(labels=[])).save(
        tmp_path / "set"
    )
    text = (tmp_path / "set" / "manifest.json").read_text()
    (tmp_path / "set" / "manifest.json").write_text(text.replace('"task": "multi"', '"task": "rank"'))
    with pytest.raises(DataError, match="was prepared for task 'rank'; this Copydesk knows single, multi, signals"):
        load_dataset(tmp_path / "set")
    (tmp_path / "set" / "manifest.json").write_text(text.replace('"task": "multi"', '"task": "signals"'))
    with pytest.raises(DataError, match="lacks the columns signals"):
        load_dataset(tmp_path / "set")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a b c", "x"), ("d e f", "x")], "All 2 rows have the label 'x'; at least two labels are needed"),
        ([("a b c", "x"), ("d e f", "x"), ("g h i", "y")], "have fewer than 2 rows left: 'y'"),
        ([(" ", "x"), ("", "y")], "None of the 2 rows can be used: 2 empty text"),
        ([("a b c", "x"), ("d e f", "x"), ("g h i", "y"), ("j k l", "y")], "4 rows are too few: the validation part"),
        ([(f"text number {number}", f"label {number}") for number in range(1_500)], "1,500 distinct labels, more than"),
    ],
)
def test_data_that_cannot_train_a_model_is_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _prepare(tmp_path, rows)


def test_integer_labels_stay_the_names_they_are(tmp_path: Path) -> None:
    rows = [(text, "1" if label == "sport" else "0") for text, label in toy_rows()]
    assert prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).labels == ("0", "1")


def test_a_very_long_text_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [*toy_rows(), ("word " * 2_000_000, "sport")]
    manifest = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", rows)).manifest
    assert manifest["dropped"] == {"longer than 100,000 characters": 1}


def test_a_source_that_must_be_collected_first_says_so_and_what_to_give_then() -> None:
    gdelt = {"query": "storm", "since": "2026-01-01", "until": "2026-02-01"}
    recipe = parse_recipe({"name": "news", "source": [{"url": "a.csv"}, {"gdelt": gdelt}]})
    with pytest.raises(
        RecipeError, match="only `collect` asks. First run: copydesk collect RECIPE. Then give the data: --data FILE"
    ):
        prepare_dataset(recipe)
    Path("raw").mkdir()
    for number in (1, 2):
        Path(f"raw/news-{number}.parquet").touch()
    with pytest.raises(RecipeError, match="'raw/news-2.parquet' was collected last: give the data: --data FILE"):
        prepare_dataset(recipe)


def test_without_source_or_data_it_asks_for_one() -> None:
    with pytest.raises(RecipeError, match=r"has no source. Add one, or give the data: --data FILE"):
        prepare_dataset(RECIPE)
    with pytest.raises(UsageError, match="does not exist"):
        prepare_dataset(RECIPE, "nothing.csv")


MULTI = parse_recipe({"name": "toy", "task": "multi"})
CATEGORIES = {"crime": ["theft"], "sports": ["football"]}


def _label_sets(count: int = 240) -> list[tuple[str, str]]:
    """Return toy texts with one or two labels each, parted by a bar."""
    return [(text, f"{label}|long" if len(text) > 50 else label) for text, label in toy_rows(count)]


def _signals(count: int = 240) -> list[tuple[str, str]]:
    """Return toy texts with signals as JSON: sport is good news, money is crime, and every fourth row is neither."""
    told = {
        "sport": '{"sports": [0.5, "football"], "crime": [0]}',
        "money": '{"crime": [-0.5, "theft"], "sports": [0]}',
    }
    return [
        (text, told[label] if number % 4 else '{"crime": [0], "sports": [0]}')
        for number, (text, label) in enumerate(toy_rows(count))
    ]


def test_a_dataset_of_label_sets_survives_being_saved(tmp_path: Path) -> None:
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", _label_sets()))
    assert dataset.labels == ("long", "money", "sport")
    texts, labels = dataset.part("train")
    assert all(("long" in label) == (len(text) > 50) for text, label in zip(texts, labels, strict=True))
    dataset.save(tmp_path / "set")
    again = load_dataset(tmp_path / "set")
    assert again.part("test") == dataset.part("test") and again.labels == dataset.labels
    assert again.manifest["content"] == again.content_hash() == dataset.content_hash()


def test_the_manifest_counts_texts_per_label_and_rows_per_part(tmp_path: Path) -> None:
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", _label_sets()))
    for part, rows in dataset.manifest["rows_by_part"].items():
        texts, labels = dataset.part(part)
        assert rows == len(texts)
        assert dataset.manifest["counts"][part]["long"] == sum("long" in label for label in labels)
    assert dataset.manifest["separator"] == "|"


def test_a_dataset_of_signals_survives_being_saved(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES})
    dataset = prepare_dataset(recipe, write_csv(tmp_path / "rows.csv", _signals()))
    assert dataset.labels == ("crime", "sports")
    dataset.save(tmp_path / "set")
    again = prepare_dataset(recipe, tmp_path / "set")
    assert again.part("test") == dataset.part("test") and again.labels == dataset.labels
    assert {signal.tag for label in again.part("test")[1] for signal in label} == {"", "theft", "football"}  # type: ignore[union-attr]
    other = parse_recipe({"name": "toy", "task": "signals", "categories": {"crime": ["theft"]}})
    with pytest.raises(DataError, match="prepared for other categories"):
        prepare_dataset(other, tmp_path / "set")


def test_a_dataset_of_another_task_is_refused(tmp_path: Path) -> None:
    prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", _label_sets())).save(tmp_path / "set")
    with pytest.raises(DataError, match="was prepared for task 'multi', but the task is 'single'"):
        prepare_dataset(RECIPE, tmp_path / "set")


def test_a_text_without_any_of_several_labels_is_dropped(tmp_path: Path) -> None:
    rows = [*_label_sets(), ("nothing is said about this", ""), ("nor about that one here", " | ")]
    manifest = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", rows)).manifest
    assert manifest["dropped"]["no label"] == 2
    assert manifest["dropped_examples"]["no label"] == ["rows.csv:241", "rows.csv:242"]


def test_missing_labels_in_jsonl_are_no_labels(tmp_path: Path) -> None:
    lines = [f'{{"text": "{text}", "label": ["{label}", "any{n % 3}"]}}' for n, (text, label) in enumerate(toy_rows())]
    lines += ['{"text": "label is nan", "label": NaN}', '{"text": "label is null", "label": null}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    assert prepare_dataset(MULTI, tmp_path / "rows.jsonl").manifest["dropped"]["no label"] == 2


def test_rare_labels_are_taken_out_and_named(tmp_path: Path) -> None:
    rows = _label_sets()
    rows[0], rows[1] = (rows[0][0], "sport|odd"), (rows[1][0], "odd|odder")
    listener = Listener()
    recipe = override(MULTI, {"prepare.min_support": 3, "prepare.dedupe": "exact"})
    dataset = prepare_dataset(recipe, write_csv(tmp_path / "rows.csv", rows), progress=listener)
    assert dataset.labels == ("long", "money", "sport")
    assert dataset.manifest["rare_labels"] == {"odd": 2, "odder": 1}
    assert dataset.manifest["dropped"] == {"only rare labels": 1}
    assert (
        "2 of 5 labels have fewer than 3 rows (prepare.min_support) and are left out: 'odd', 'odder'."
        in listener.warned
    )
    with pytest.raises(DataError, match="None of the 5 labels has prepare.min_support"):
        prepare_dataset(override(MULTI, {"prepare.min_support": 900}), tmp_path / "rows.csv")


def test_labels_of_one_text_are_united_on_a_tie(tmp_path: Path) -> None:
    rows = [
        *_label_sets(),
        ("quite another text about things", "sport"),
        ("Quite another text about things", "money|new"),
    ]
    rows += [("some more text on something", "sport")] * 2 + [("some more text on something", "money")]
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", rows))
    labels = {
        text: label for part in ("train", "validation", "test") for text, label in zip(*dataset.part(part), strict=True)
    }
    assert labels["quite another text about things"] == ("money", "new", "sport")
    assert labels["some more text on something"] == ("sport",)
    assert "'quite another text about things': money + new × 1, sport × 1" in dataset.manifest["conflicts"]


def test_a_label_on_every_text_is_warned_about_and_the_only_one_refused(tmp_path: Path) -> None:
    listener = Listener()
    rows = [(text, f"{label}|news") for text, label in toy_rows()]
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", rows), progress=listener)
    assert dataset.labels == ("money", "news", "sport")
    assert listener.warned[0].startswith("Every row has the label 'news': a model learns nothing from it")
    with pytest.raises(DataError, match="All .* rows have the label 'news'; at least two labels are needed"):
        prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", [(text, "news") for text, _ in toy_rows()]))


def test_ten_thousand_labels_are_refused_with_the_remedy(tmp_path: Path) -> None:
    rows = [
        (f"{number:x} {number * 7_919:x}", f"label {number}|label {number + 1}|all{number % 2}")
        for number in range(10_000)
    ]
    path = write_csv(tmp_path / "rows.csv", rows)
    with pytest.raises(DataError, match="10,003 distinct labels, more than prepare.max_labels .* prepare.min_support"):
        prepare_dataset(MULTI, path)
    recipe = override(MULTI, {"prepare.max_labels": 20_000, "prepare.dedupe": "exact", "prepare.split.by": "row"})
    dataset = prepare_dataset(recipe, path)
    assert len(dataset.labels) == 10_003
    assert dataset.manifest["rows_by_part"]["test"] == pytest.approx(1_000, abs=300)
    assert prepare_dataset(override(recipe, {"prepare.min_support": 3}), path).labels == ("all0", "all1")


def test_a_category_that_no_row_calls_absent_is_warned_about(tmp_path: Path) -> None:
    rows = [(text, '{"crime": [-0.5]}' if label == "money" else "[]") for text, label in toy_rows()]
    path = write_csv(tmp_path / "rows.csv", rows)
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES})
    listener = Listener()
    assert prepare_dataset(recipe, path, progress=listener).manifest["dropped"]["no label"] == 120
    assert any("No row shows 'sports'" in line for line in listener.warned)
    assert any("'crime' is absent (score 0)" in line and "`unlisted: absent`" in line for line in listener.warned)
    listener = Listener()
    prepare_dataset(override(recipe, {"unlisted": "absent"}), path, progress=listener)
    assert [line for line in listener.warned if "absent" in line] == []


def test_signals_without_any_present_category_are_refused(tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES})
    rows = [(text, '{"crime": [0]}') for text, _ in toy_rows()]
    with pytest.raises(DataError, match="has a category with a score other than 0, or a tag"):
        prepare_dataset(recipe, write_csv(tmp_path / "rows.csv", rows))


def test_the_parts_of_single_labels_are_what_they_were_in_the_first_version(tmp_path: Path) -> None:
    dataset = prepare_dataset(RECIPE, write_csv(tmp_path / "rows.csv", toy_rows()))
    assert dataset.content_hash() == "c1a9becf6665a615bf6641c4662336ef0e24e9c0aa27d44f115b3ca6fbd9f0b4"


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({}, "72ecac2120ab264679221fab84a92423cebcd48ca429f478a30b2987d885a1f7"),
        ({"prepare.dedupe": "exact"}, "30775a0b4d96ecbb1ce2bc5163a60531793b1f294d4f9939e9f800ba9c6f02e9"),
        (
            {"prepare.dedupe": "none", "prepare.split.by": "row"},
            "b5eb86c3f984c7d4aeb20d5d89fbd08ed236c7bbe12fc0d4020bc4a36f8c520f",
        ),
    ],
)
def test_conflicts_and_copies_are_settled_as_they_were_when_all_was_held_in_memory(
    tmp_path: Path, settings: dict[str, str], content: str
) -> None:
    rows, chance = toy_rows(240), random.Random(3)
    rows += [(f"{text} {chance.choice('abc')}", label) for text, label in toy_rows(240)]
    rows += [(text.upper(), chance.choice(["sport", "money"])) for text, _ in toy_rows(240)[:60]]
    path = write_csv(tmp_path / "rows.csv", [*rows, ("", "sport"), ("!", "money"), ("x", "")])
    assert prepare_dataset(override(RECIPE, settings), path).content_hash() == content


def test_label_sets_and_signals_are_what_they_were_when_all_was_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_kinds, "BATCH_ROWS", 7)
    monkeypatch.setattr(columns, "BATCH_ROWS", 7)
    signals = parse_recipe({"name": "toy", "task": "signals", "categories": CATEGORIES, "unlisted": "absent"})
    dataset = prepare_dataset(MULTI, write_csv(tmp_path / "rows.csv", _label_sets()))
    assert dataset.content_hash() == "ef0cdf7cafd9f37ef4eed5ed230fcae15fe2facc81cd9d6ba115ef4f058ada6a"
    dataset = prepare_dataset(signals, write_csv(tmp_path / "rows.csv", _signals()))
    assert dataset.content_hash() == "f3c77278f759ad6754156834951b023470833b24081a6850d33b320e39451c83"
