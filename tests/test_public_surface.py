from __future__ import annotations

import inspect
from pathlib import Path

import copydesk
from copydesk import errors
from copydesk.cli.main import app


def test_the_public_names_are_these() -> None:
    assert sorted(copydesk.__all__) == [
        "Example",
        "Prediction",
        "Report",
        "Signal",
        "__version__",
        "labelling_function",
        "load",
        "train",
    ]
    assert all(hasattr(copydesk, name) for name in copydesk.__all__)


def test_the_signatures_are_these() -> None:
    assert list(inspect.signature(copydesk.load).parameters) == ["model"]
    assert list(inspect.signature(copydesk.train).parameters) == ["recipe", "data", "out", "overrides"]


def test_every_error_is_in_the_drawn_tree_with_its_exit_code() -> None:
    tree = errors.__doc__ or ""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert all(kind.__name__ in tree for kind in kinds)
    assert {kind.exit_code for kind in kinds if issubclass(kind, errors.UsageError)} == {2}
    assert errors.DataError("x").exit_code == 1


def test_a_missing_extra_prints_its_pip_command() -> None:
    message = str(errors.MissingExtra("Training", "train", "torch"))
    assert message == "Training needs the 'train' extra (torch is not installed). Run: pip install 'copydesk[train]'"


def test_every_command_has_a_line_of_help_and_help_for_every_option() -> None:
    import typer

    found = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    groups = {name: command for name, command in found.items() if hasattr(command, "commands")}
    found |= {f"{name} {below}": command for name, group in groups.items() for below, command in group.commands.items()}
    for name, command in found.items():
        assert command.help, name
        assert all(getattr(parameter, "help", None) for parameter in command.params), name


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(copydesk.__file__).parent / "py.typed").is_file()
