"""The recipe: one YAML file that says what a classifier is made of.

Unknown keys are refused with the nearest known one; `python -m copydesk.recipe` prints the JSON Schema for editors.
It does not know whether the columns or files it names exist: the stages say so when they look.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from copydesk.errors import RecipeError
from copydesk.normalise import steps_of
from copydesk.types import Decision

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"

Auto = Literal["auto"]
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "lines"]
ModelKind = Literal["linear", "encoder", "keywords"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


def _as_list(value: Any) -> Any:  # noqa: ANN401 (YAML may hold anything here; pydantic judges the result)
    return value if isinstance(value, list) else [value]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(_Section):
    """One file of raw texts."""

    url: str = Field(description="A path (relative to the recipe) or any fsspec URL; a final .gz is unpacked.")
    format: Format = Field("auto", description="`auto` goes by the file name; `lines` is one text per line.")
    label: str | None = Field(None, description="The label of every text in this file, if it has no label column.")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="The file's pinned SHA-256, checked.")
    quoting: bool | None = Field(None, description="Whether double quotes enclose fields; default: csv yes, tsv no.")


class Split(_Section):
    """How rows are divided into training, validation and test."""

    validation: Share = Field(0.1, description="Share of rows for early stopping, calibration and thresholds.")
    test: Share = Field(0.1, description="Share of rows that only the final evaluation sees.")
    by: Literal["group", "row", "time"] = Field(
        "group", description="`group`: similar texts go to the same part; `time`: the newest rows are the test part."
    )
    time: str | None = Field(None, description="The column with dates or times, for `by: time`.")
    similarity: float = Field(0.6, gt=0.5, le=1.0, description="From which Jaccard similarity texts form a group.")

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Split:
        if self.validation + self.test >= 0.9:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; at most 0.9 leaves rows to train on"
            )
        if (self.by == "time") != (self.time is not None):
            raise ValueError("`by: time` and `time: COLUMN` belong together; one of them is missing")
        return self


class Prepare(_Section):
    """From raw rows to a Dataset."""

    normalise: str | list[str] = Field("web", description="A preset (`web`, `none`) or a list of steps.")
    dedupe: Literal["near", "exact", "none"] = Field("near", description="Which copies of a text are dropped.")
    near_threshold: float = Field(0.8, gt=0.5, le=1.0, description="A near-copy shares this much (Jaccard, 4-grams).")
    conflicts: Literal["majority", "drop"] = Field("majority", description="For one text under several labels.")
    max_chars: int = Field(100_000, gt=0, description="Longer texts are left out, and counted.")
    max_labels: int = Field(1_000, gt=1, description="More distinct labels are taken for a mistaken column.")
    min_support: int = Field(1, ge=1, description="Labels with fewer rows are left out, and named (task `multi`).")
    split: Split = Split()
    resample: Literal["none", "median_undersample", "mltl"] = Field(
        "none", description="How the training part, and only it, is balanced (task `multi`)."
    )

    @field_validator("normalise")
    @classmethod
    def _known_steps(cls, value: str | list[str]) -> str | list[str]:
        try:
            steps_of(value)
        except RecipeError as error:
            raise ValueError(str(error).removeprefix("prepare.normalise: ")) from None
        return value


class Model(_Section):
    """What is trained."""

    kind: ModelKind = "encoder"
    encoder: str = Field(DEFAULT_ENCODER, description="A folder, or the name of an encoder on the Hugging Face Hub.")
    revision: str | None = Field(None, description="The hub revision; the default encoder's is pinned.")
    max_tokens: int = Field(128, ge=8, le=8192, description="How many tokens the encoder reads at once.")
    long_texts: Literal["head", "head_tail", "windows"] = Field(
        "head", description="Of a longer text: its beginning, beginning and end, or windows with averaged outputs."
    )
    keywords: str | None = Field(None, description="A keyword file: the kind `keywords`, and the fallback.")


class Decide(_Section):
    """How scores become answers."""

    abstain_below: float = Field(0.0, ge=0, le=1, description="Say nothing if the best score is lower.")
    min_labels: int = Field(0, ge=0, le=1, description="1: the best label even if none reaches its threshold.")
    thresholds: Literal["macro_f1", "micro_f1"] = Field(
        "macro_f1", description="What the thresholds are tuned for on the validation part (task `multi`)."
    )

    def decision(self) -> Decision:
        """Return what it says, without thresholds yet."""
        return Decision(abstain_below=self.abstain_below, min_labels=self.min_labels, aim=self.thresholds)


class Train(_Section):
    """How the encoder is fine-tuned. `auto` is chosen by the rules in docs/train.md, printed, and stored."""

    epochs: Annotated[float, Field(gt=0)] | Auto = "auto"
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | Auto = "auto"
    batch_tokens: Annotated[int, Field(ge=8)] | Auto = "auto"
    precision: Precision = "auto"
    frozen_layers: Annotated[int, Field(ge=0)] | Auto = "auto"
    loss: Literal["auto", "cross_entropy", "focal", "asymmetric"] = Field(
        "auto", description="`focal` and `asymmetric` are for task `multi`."
    )
    class_weights: Literal["none", "balanced"] = Field("none", description="`balanced`: rare labels weigh more.")
    accumulate: int = Field(1, ge=1, description="Batches per update: a larger batch in the same memory.")
    checkpoint_minutes: float = Field(10, gt=0, description="A checkpoint at least this often, and each epoch.")
    early_stop: int = Field(2, ge=0, description="Stop after this many evaluations without a better one; 0: never.")
    seed: int = Field(42, ge=0, lt=2**32)


class Track(_Section):
    """Where training runs are recorded, where that is set up; see docs/tracking.md."""

    mlflow: bool = Field(True, description="A server (MLFLOW_TRACKING_URI), else mlflow.db in the working folder.")
    wandb: bool = Field(True, description="Where WANDB_API_KEY is set or WANDB_MODE is offline.")


class Tune(_Section):
    """Search over hyper-parameters."""

    trials: int = Field(0, ge=0, description="How many trials a study holds in the end.")
    timeout_minutes: float | None = Field(None, gt=0, description="After so long no further trial is begun.")


class AgainstProduction(_Section):
    """How a candidate is compared with the model in production."""

    metric: str = "accuracy"
    max_drop: float = Field(0.002, ge=0)
    test: Literal["paired_bootstrap", "mcnemar"] = "paired_bootstrap"


class Gate(_Section):
    """What a candidate must reach before it is promoted."""

    floors: dict[str, float] = {}
    against_production: AgainstProduction | None = None


class Serve(_Section):
    """Limits of the API."""

    max_text_chars: int = Field(20_000, gt=0)
    max_batch_texts: int = Field(256, gt=0)
    queue_texts: int = Field(2_048, gt=0)


class Recipe(_Section):
    """Everything one classifier is made of."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Names the bundle and the registry entry.")
    task: Literal["single", "multi", "signals"] = Field(
        "single", description="`single`: one of K labels; `multi`: any subset; `signals`: a score and a tag each."
    )
    source: Annotated[list[SourceFile], BeforeValidator(_as_list)] = []
    text: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] = ["text"]
    label: str = "label"
    separator: str = Field("auto", min_length=1, description="What parts several labels written in one string.")
    aliases: str | None = Field(None, description="A file of old label names and the names they became.")
    categories: dict[str, list[str]] = Field({}, description="Task `signals`: each category's tags.")
    unlisted: Literal["unknown", "absent"] = Field(
        "unknown", description="What a category is in a text that does not list it (task `signals`)."
    )
    prepare: Prepare = Prepare()
    model: Model = Model()
    decide: Decide = Decide()
    train: Train = Train()
    track: Track = Track()
    tune: Tune = Tune()
    behaviours: str | None = Field(None, description="A file of behavioural tests, relative to the recipe.")
    gate: Gate = Gate()
    serve: Serve = Serve()

    @model_validator(mode="after")
    def _label_is_no_text(self) -> Recipe:
        if self.label in self.text:
            raise ValueError(f"label: {self.label!r} is also a text column; the model would read its own answer")
        return self

    @model_validator(mode="after")
    def _keys_fit_the_task(self) -> Recipe:
        problems = [message for wrong, message in _misfits(self) if wrong]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _misfits(recipe: Recipe) -> list[tuple[bool, str]]:
    """Return for every key that only some tasks know whether it is out of place, and what to say then."""
    task, multi = recipe.task, recipe.task == "multi"
    return [
        (task == "signals" and not recipe.categories, "task 'signals' needs `categories`, each with its tags"),
        (task != "signals" and bool(recipe.categories), "`categories` is for task 'signals'"),
        (task != "signals" and recipe.unlisted != "unknown", "`unlisted` is for task 'signals'"),
        (not multi and recipe.prepare.resample != "none", "prepare.resample is for task 'multi'"),
        (not multi and recipe.prepare.min_support > 1, "prepare.min_support is for task 'multi'"),
        (not multi and recipe.decide.min_labels > 0, "decide.min_labels is for task 'multi'"),
        (not multi and recipe.train.loss in ("focal", "asymmetric"), f"train.loss {recipe.train.loss} is for 'multi'"),
        (task == "signals" and recipe.decide.abstain_below > 0, "decide.abstain_below is not for task 'signals'"),
        (task == "signals" and recipe.train.class_weights != "none", "train.class_weights is not for task 'signals'"),
        (task == "signals" and recipe.aliases is not None, "aliases are for the tasks 'single' and 'multi'"),
        (recipe.model.kind == "keywords" and not recipe.model.keywords, "model.kind 'keywords' needs model.keywords"),
    ]


def load_recipe(path: str | PathLike[str], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file, apply dotted overrides, and validate the result.

    Relative source paths are taken from the recipe's folder. Raises `RecipeError`.
    """
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise RecipeError(f"Recipe '{path}' does not exist. {_recipes_beside(Path(path))}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Recipe '{path}' cannot be read: {error}.") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"Recipe '{path}' is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"Recipe '{path}' holds {type(values).__name__}, not a mapping of keys such as 'name: …'.")
    recipe = parse_recipe(values, where=f"Recipe '{path}'", overrides=overrides)
    return _with_absolute_paths(recipe, Path(path).resolve().parent)


def parse_recipe(
    values: Mapping[str, Any], *, where: str = "Recipe", overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Validate plain values as a recipe. Raises `RecipeError`, one line per mistake."""
    merged = json.loads(json.dumps(values, default=str))
    for key, value in (overrides or {}).items():
        _set(merged, key, value)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        places: dict[str, list[Any]] = {}
        for problem in error.errors():
            places.setdefault(".".join(_path_of(problem)), []).append(problem)
        lines = [_explain(place, problems) for place, problems in places.items()]
        raise RecipeError(f"{where}: " + "\n  ".join(lines)) from None


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe with dotted keys replaced, validated again."""
    return parse_recipe(recipe.model_dump(mode="json"), overrides=overrides) if overrides else recipe


def parse_setting(setting: str) -> tuple[str, Any]:
    """Split `train.epochs=3` into the key and the value as YAML reads it. Raises `RecipeError`."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {setting!r} is not KEY=VALUE, e.g. --set train.epochs=3.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        return key.strip(), value


def dump_recipe(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, defaults included, as a bundle stores it."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema that editors complete and check recipes with."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def shipped_recipe(name: str) -> Path:
    """Return the path of a recipe that comes with Copydesk. Raises `RecipeError` naming those there are."""
    here = Path(__file__).parent
    folders = (here / "recipes", here.parent.parent / "recipes")  # installed, or a checkout
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise RecipeError(f"There is no recipe {name!r} in Copydesk. Shipped: {names}.")
    return path


def _set(values: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 (any YAML value)
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {key}: {parent!r} is not a section of the recipe.")
    values[last] = value


def _path_of(problem: Any) -> list[str]:  # noqa: ANN401 (pydantic's ErrorDetails)
    """Return the keys that lead to the mistake, without the names pydantic gives to a union's members."""
    path: list[str] = []
    section: type[BaseModel] | None = Recipe
    for part in problem["loc"]:
        if isinstance(part, int):
            path.append(str(part))
        elif section is not None and (part in section.model_fields or problem["type"] == "extra_forbidden"):
            path.append(part)
            section = _section_of(section, part)
    return path


def _explain(where: str, problems: list[Any]) -> str:
    """Return one line for everything that is wrong with one key (a union's members complain one by one)."""
    first = problems[0]
    if first["type"] == "extra_forbidden":
        known = _keys_of(first["loc"][:-1])
        near = difflib.get_close_matches(first["loc"][-1], known, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"unknown key '{where}'.{hint} Known here: {', '.join(known)}."
    if first["type"] == "missing":
        return f"'{where}' is missing."
    message = " Or: ".join(problem["msg"].removeprefix("Value error, ") for problem in problems)
    if first["type"] == "value_error":
        return f"{where}: {message}." if where else f"{message}."
    return f"{where}: {first['input']!r} is not valid: {message}."


def _section_of(section: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the section that stands under a key, if one does."""
    field = section.model_fields.get(key)
    if field is None:
        return None
    pending = [field.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        pending.extend(get_args(kind))
    return None


def _keys_of(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location:
        section = _section_of(section, str(part)) or section
    return list(section.model_fields)


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    def absolute(path: str) -> str:
        return path if "://" in path or Path(path).is_absolute() else str(folder / path)

    sources = [source.model_copy(update={"url": absolute(source.url)}) for source in recipe.source]
    aliases = absolute(recipe.aliases) if recipe.aliases else None
    keywords = absolute(recipe.model.keywords) if recipe.model.keywords else None
    model = recipe.model.model_copy(update={"keywords": keywords})
    return recipe.model_copy(update={"source": sources, "aliases": aliases, "model": model})


def _recipes_beside(path: Path) -> str:
    found = sorted(
        str(file) for file in (path.parent, Path("recipes")) if file.is_dir() for file in file.glob("*.yaml")
    )
    return f"Recipes at hand: {', '.join(dict.fromkeys(found))}." if found else "Give the path of a recipe file (YAML)."


if __name__ == "__main__":
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
