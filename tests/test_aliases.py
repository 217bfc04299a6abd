from pathlib import Path

import polars as pl
import pytest

from copydesk.data.aliases import alias_warnings, load_aliases
from copydesk.data.labels import read_labels
from copydesk.errors import CopydeskError, DataError, RecipeError
from copydesk.recipe import load_recipe, parse_recipe
from test_labels import _frame

RECIPES = Path(__file__).parent.parent / "recipes"


def _file(folder: Path, text: str) -> str:
    (folder / "aliases.yaml").write_text(text, "utf-8")
    return str(folder / "aliases.yaml")


def test_old_names_become_new_ones_along_chains(tmp_path: Path) -> None:
    path = _file(tmp_path, "{a: b, b: c, 0: zero}")
    assert load_aliases(path).names == {"a": "c", "b": "c", "0": "zero"}


def test_labels_are_merged_before_anything_is_counted(tmp_path: Path) -> None:
    path = _file(tmp_path, "{cmp-lg: cs.CL}")
    multi = parse_recipe({"name": "x", "task": "multi", "aliases": path})
    found = read_labels(_frame(pl.Series([["cmp-lg", "cs.CL"], ["cmp-lg", "math.AG"], None])), multi)
    assert found.values == [("cs.CL",), ("cs.CL", "math.AG"), None]
    single = parse_recipe({"name": "x", "aliases": _file(tmp_path, "{0: negative, 2: positive}")})
    assert read_labels(_frame(pl.Series([0, 2])), single).values == ["negative", "positive"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: b, b: a}", "aliases go in a circle: a -> b -> a"),
        ("{a: a}", "aliases go in a circle: a -> a"),
        ("{a: 3}", "'a' becomes 3; a label's new name must be a text"),
        ("{a: }", "'a' becomes None"),
        ("{a: ' '}", "'a' becomes ' '"),
        ("{a: [b]}", "must be a text"),
        ("{'': b}", "'' is no label name"),
        ("[a, b]", "holds list, not a mapping OLD: NEW"),
        ("a: {", "is not valid YAML"),
        ("{a: b, a: c}", "the key 'a' stands twice"),
        ("{aliases: {a: b}, labels: c}", "`labels` holds str, not a list"),
        (
            "{aliases: {a: cs.CLL}, labels: [cs.CL, cs.CV]}",
            "'a' becomes 'cs.CLL', which is not in `labels`. Did you mean 'cs.CL'?",
        ),
    ],
)
def test_a_wrong_alias_is_refused_with_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_aliases(_file(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(CopydeskError, match="`aliases` file 'nowhere.yaml' cannot be read"):
        load_aliases("nowhere.yaml")


def test_a_label_outside_the_closed_list_is_refused_with_the_nearest(tmp_path: Path) -> None:
    aliases = load_aliases(_file(tmp_path, "{aliases: {a: cs.CL}, labels: [cs.CL, cs.CV]}"))
    assert alias_warnings(aliases, {"a", "cs.CV"}) == []
    with pytest.raises(DataError, match=r"'cs.CW', which are neither in `labels` .* Did you mean 'cs.CV'\?"):
        alias_warnings(aliases, {"cs.CW"})


def test_an_unknown_target_is_warned_about(tmp_path: Path) -> None:
    aliases = load_aliases(_file(tmp_path, "{math.MP: math-hp, old: nowhere, 0: zero}"))
    lines = alias_warnings(aliases, {"math.MP", "math-ph", "0"})
    assert lines == [
        "Alias 'math.MP' becomes 'math-hp', which no row has as its own label. Did you mean 'math-ph'?",
        "1 alias targets in 'aliases.yaml' stand on no row: 'nowhere'.",
    ]


@pytest.mark.parametrize("name", ["arxiv", "tweets"])
def test_the_shipped_alias_files_are_sound(name: str) -> None:
    path = load_recipe(RECIPES / f"{name}.yaml").aliases
    assert path is not None
    assert not load_aliases(path).names.keys() & set(load_aliases(path).names.values())
