import json

import polars as pl
import pytest

from copydesk.data.labels import LABELS, read_labels
from copydesk.errors import DataError
from copydesk.recipe import Recipe, parse_recipe
from copydesk.types import Label, Signal

MULTI = parse_recipe({"name": "x", "task": "multi"})
CATEGORIES = {"crime": ["theft", "police"], "sports": ["football"]}
SIGNALS = parse_recipe({"name": "x", "task": "signals", "categories": CATEGORIES})
ABSENT = parse_recipe({"name": "x", "task": "signals", "categories": CATEGORIES, "unlisted": "absent"})


def _frame(column: pl.Series) -> pl.DataFrame:
    rows = pl.Series("_row", range(1, len(column) + 1), dtype=pl.Int64)
    return pl.DataFrame([column.alias("label")]).with_columns(pl.lit("a.csv").alias("_source"), rows)


def _read(values: list[object], recipe: Recipe, dtype: pl.DataType | None = None) -> list[Label | None]:
    return read_labels(_frame(pl.Series(values, dtype=dtype, strict=False)), recipe).values


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([["b", "a", "a"], [], None, [" ", None]], [("a", "b"), None, None, None]),
        ([[1, 2], [2]], [("1", "2"), ("2",)]),
        ([[1.0, float("nan")]], [("1",)]),
        ([[1234567.0, 20240101.0], [0.1234567]], [("1234567", "20240101"), ("0.1234567",)]),
        (
            ['["b", "a"]', "['c']", "['a', \"it's\"]", "[]", "[1, NaN, null]"],
            [("a", "b"), ("c",), ("a", "it's"), None, ("1",)],
        ),
        (["b|a", "c ", "", " | ", None], [("a", "b"), ("c",), None, None, None]),
        (["x, y;z"], [("x, y", "z")]),
        (["x y, z", "x y"], [("x y", "z"), ("x y",)]),
        (["cs.CL  cs.LG", "math.AG"], [("cs.CL", "cs.LG"), ("math.AG",)]),
        ([3, 4], [("3",), ("4",)]),
    ],
)
def test_sets_of_names_are_read_from_lists_json_and_separated_text(
    values: list[object], labels: list[Label | None]
) -> None:
    assert _read(values, MULTI) == labels


def test_the_separator_that_was_chosen_is_said() -> None:
    found = read_labels(_frame(pl.Series(["a;b", "c"])), MULTI)
    assert found.said == ["labels are parted by ';'"] and found.separator == ";"
    assert read_labels(_frame(pl.Series(["a b"])), MULTI).said == ["labels are parted by white space"]


def test_a_separator_of_the_recipe_is_the_only_one() -> None:
    recipe = parse_recipe({"name": "x", "task": "multi", "separator": " / "})
    assert _read(["a, b / [c]", "[d]"], recipe) == [("[c]", "a, b"), ("[d]",)]


def test_a_finished_model_knows_its_labels_whole_beside_those_it_does_not_know() -> None:
    known = ("breaking news", "sport")
    found = read_labels(_frame(pl.Series(["breaking news", "sport", "local news"])), MULTI, known=known)
    assert found.values == [("breaking news",), ("sport",), ("local", "news")]


def test_a_finished_model_reads_lists_too_whatever_parted_its_training_labels() -> None:
    kept = parse_recipe({"name": "x", "task": "multi", "separator": "|"})
    found = read_labels(_frame(pl.Series(['["a", "b"]', "a|b", "[c]|a"])), kept, known=("a", "b", "[c]"))
    assert found.values == [("a", "b"), ("a", "b"), ("[c]", "a")]


def test_a_finished_models_labels_are_not_parted_by_white_space() -> None:
    frame = _frame(pl.Series(["machine learning", "vision"]))
    found = read_labels(frame, MULTI, known=["machine learning", "vision", "law"])
    assert found.values == [("machine learning",), ("vision",)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", '["a"'], r"a.csv:2: column 'label' has '\[\"a\"', which is no list such as"),
        (["['a' 'b']"], "which is no list such as"),
        (['[["a"]]'], "a.csv:1: column 'label' has .* needs a list of names"),
        ([{"a": 1}], "needs a list of names, or names with a separator"),
    ],
)
def test_what_is_no_set_of_names_is_refused_with_its_row(values: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(values, MULTI)


def test_signals_are_read_from_structs_and_from_json() -> None:
    wanted = (Signal("crime", -0.8, "theft"), Signal("sports", 0.0))
    rows = [{"category": "sports", "score": 0.0, "tag": None}, {"category": "crime", "score": -0.8, "tag": "theft"}]
    assert _read([rows], SIGNALS) == [wanted]
    assert _read([json.dumps(rows), '{"sports": [-0.0], "crime": [-0.8, "theft"]}'], SIGNALS) == [wanted, wanted]
    assert _read(['{"sports": {"score": 0}, "crime": {"score": "-0.8", "tag": "theft"}}'], SIGNALS) == [wanted]


def test_an_objects_absent_keys_are_unlisted_categories() -> None:
    column = pl.Series([{"crime": {"score": 0.5, "tag": "police"}, "sports": None}])
    assert _read(column.to_list(), SIGNALS) == [(Signal("crime", 0.5, "police"),)]


def test_unlisted_categories_are_absent_if_the_recipe_says_so() -> None:
    assert _read(["[]", '{"crime": [0.5]}', "", None], ABSENT) == [
        (Signal("crime", 0.0), Signal("sports", 0.0)),
        (Signal("crime", 0.5), Signal("sports", 0.0)),
        None,
        None,
    ]
    assert _read(["[]"], SIGNALS) == [None]


@pytest.mark.parametrize("recipe", [SIGNALS, ABSENT])
def test_a_score_that_is_nan_or_missing_is_unknown_and_counted(recipe: Recipe) -> None:
    frame = _frame(pl.Series(['{"crime": [NaN, "theft"], "sports": [1]}', '{"crime": [null], "sports": [1]}']))
    found = read_labels(frame, recipe)
    assert found.values == [(Signal("sports", 1.0),)] * 2
    assert found.warnings == [
        "2 rows give 'crime' a score that is missing or NaN: it counts as unknown there.",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"crime": [1.01]}', "a.csv:1: score 1.01 of 'crime' is not a number from -1 to 1"),
        ('{"crime": ["bad"]}', "score 'bad' of 'crime' is not a number"),
        ('{"crime": [true]}', "score True of 'crime' is not a number"),
        ('{"crime": [Infinity]}', "score inf of 'crime' is not a number"),
        ('{"crime": [0.1, "fire"]}', "tag 'fire' of 'crime' is none of its tags: theft, police"),
        ('{"weather": [0.1]}', "category 'weather' is none of the recipe's `categories`: crime, sports"),
        ('[{"category": "crime", "score": 1}, {"category": "crime", "score": 1}]', "'crime' is listed twice"),
        ('[{"category": "crime"}]', "each needs a category and a score"),
        ('["crime"]', "each needs a category and a score"),
        ('{"crime": 1}', "'crime' has 1. Expected"),
        ('{"crime"', "is not JSON"),
        ("3", "3 is no signals"),
    ],
)
def test_a_wrong_signal_is_refused_with_its_row_and_value(value: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read([value], SIGNALS)


@pytest.mark.parametrize(
    ("task", "label", "present", "without", "shown"),
    [
        ("single", "a", ("a",), None, "a"),
        ("multi", ("a", "b"), ("a", "b"), ("b",), "a + b"),
        ("signals", (Signal("a", 0.0), Signal("b", -0.5, "x")), ("b",), (Signal("b", -0.5, "x"),), "a +0 + b -0.5 x"),
    ],
)
def test_every_task_can_count_store_and_shorten_its_labels(
    task: str, label: Label, present: tuple[str, ...], without: Label | None, shown: str
) -> None:
    kind = LABELS[task]
    column = pl.Series([kind.stored(label)], dtype=kind.dtype)
    assert kind.restored(column.to_list()[0]) == label
    assert kind.present(label) == present
    assert kind.without(label, {"a"}) == without
    assert kind.without(label, set(kind.known(label))) is None
    assert kind.shown(label) == shown


def test_labels_of_one_text_are_merged_where_they_do_not_contradict_each_other() -> None:
    assert LABELS["single"].merged(["a", "b"]) is None
    assert LABELS["multi"].merged([("a", "b"), ("c",)]) == ("a", "b", "c")
    crime, sports = Signal("crime", -0.5), Signal("sports", 0.5)
    assert LABELS["signals"].merged([(crime,), (sports,)]) == (crime, sports)
    assert LABELS["signals"].merged([(crime,), (Signal("crime", 0.0),)]) is None
