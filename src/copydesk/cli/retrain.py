"""`copydesk retrain`: what people said of a model's answers becomes its next version."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from copydesk.cli.options import Debug, Json, Quiet, RecipePath, RegistryAddress, Set, Texts, overrides_of

if TYPE_CHECKING:
    from copydesk.bundle import Bundle
    from copydesk.progress import Progress
    from copydesk.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrain")(retrain)


def retrain(
    recipe: RecipePath,
    review: Annotated[
        list[Path] | None,
        typer.Option("--review", metavar="FILE", help="A review file with decisions (repeatable)."),
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="LOG", help="A prediction log: its feedback counts, too.")
    ] = None,
    recent: Annotated[
        str,
        typer.Option("--recent", metavar="WHEN", help="Drift will be measured from the log's texts since then."),
    ] = "7d",
    texts: Texts = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="A file or the Dataset before corrections; replaces the source."),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", metavar="N", min=0, help="Refuse to train for fewer new answers.")
    ] = 20,
    is_checked: Annotated[
        bool, typer.Option("--check/--no-check", help="Run the checks on the new version, and keep them beside it.")
    ] = True,
    alias: Annotated[str, typer.Option("--alias", help="The alias to lead to the new version.")] = "staging",
    registry: RegistryAddress = "models:/",
    set_: Set = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Merge the answers, train anew, check and stage the next version; exit with 1 if there is nothing to train for."""
    from copydesk.cli import console, tables
    from copydesk.monitor.times import moment
    from copydesk.normalise import steps_of
    from copydesk.registry.facts import mover
    from copydesk.registry.moves import require_settable
    from copydesk.registry.references import pinned_at, registry_at
    from copydesk.remote.recipes import recipe_at
    from copydesk.retraining.log import Logged, read_log, read_texts
    from copydesk.retraining.run import Asked
    from copydesk.retraining.run import retrain as train_again

    require_settable(alias)
    progress = console.listener(quiet=quiet or json)
    loaded, dataset = _with_data(recipe_at(recipe, overrides_of(set_, None, None)), data)
    logged = read_log(log) if log is not None else Logged()
    if texts is not None:
        logged = logged.with_texts(read_texts(texts, loaded.text, steps_of(loaded.prepare.normalise)))
    since = moment(recent, datetime.now(UTC))
    asked = Asked(review or [], logged, dataset, least, alias, since, _checking(progress) if is_checked else None)
    done = train_again(loaded, asked, registry_at(registry), mover(), progress=progress)
    reference = pinned_at(registry, done.version)
    command = shlex.join(["copydesk", "promote", done.version.name, "--data", str(done.dataset)])
    for note in done.bundle.report.notes:
        progress.warn(note)
    if json:
        console.print_json({"reference": reference, **done.to_json(), "next": command})
        return
    if not quiet:
        console.out.print(tables.report_table(done.bundle.report))
        if done.checks:
            console.out.print(f"ML Test Score: {done.checks['score']:g}", markup=False)
        console.out.print(f"bundle: {done.bundle.path}", markup=False)
    console.out.print(f"registered: {reference}  alias: {', '.join(done.version.aliases)}", markup=False)
    console.out.print(f"next: {command}", markup=False)


def _checking(progress: Progress) -> Callable[[Bundle, Path], dict[str, Any]]:
    """Return what checks a bundle that was trained on a Dataset."""
    from copydesk.checks.run import run_checks
    from copydesk.checks.subject import Subject
    from copydesk.cli.check import settings_in
    from copydesk.runtime.engine import Classifier

    def check(bundle: Bundle, dataset: Path) -> dict[str, Any]:
        facts: dict[str, Any] = {"settings": settings_in(None), "now": datetime.now(UTC), "progress": progress}
        return run_checks(Subject(Classifier.of(bundle), str(dataset), **facts)).to_json()

    return check


def _with_data(recipe: Recipe, data: str | None) -> tuple[Recipe, Path | None]:
    """Return the recipe with a file as its source, so that the gate finds it, too; or a Dataset's folder beside it."""
    from copydesk.data.dataset import is_dataset
    from copydesk.data.sources import source_of_path

    if data is None:
        return recipe, None
    if is_dataset(Path(data)):
        return recipe, Path(data)
    place = data if "://" in data else str(Path(data).resolve())
    return recipe.model_copy(update={"source": [source_of_path(place)]}), None
