"""YAML files that people write: plain values, and every key once.

YAML readers take the last of two equal keys and forget the other; a recipe or a keyword file would then silently lack
what somebody wrote.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from copydesk.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, and what only looks like a date or a number. A date as a key is its text."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 (whatever YAML holds)
        """Return the value. Raises `ConstructorError` with its line where there is no such date or number."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            where = f"{node.value!r} in line {node.start_mark.line + 1}"
            told = f"{where} is not valid: {error}. Correct it, or put it in quotes if it is a text"
            raise yaml.constructor.ConstructorError(None, None, told) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping. Raises `ConstructorError` with the lines of both keys."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    twice = f"the key {key.value!r} stands twice, in line {lines[key.value]} and in line {line}"
                    raise yaml.constructor.ConstructorError(None, None, f"{twice}; keep one of them")
                lines[key.value] = line
        found = super().construct_mapping(node, deep)
        return {str(key) if isinstance(key, date) else key: value for key, value in found.items()}


class _WithoutAliases(_Loader):
    """Refuses references: ten lines of them can stand for more values than fit in memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 (PyYAML's)
        """Return the next node. Raises `ComposerError` for a reference."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "a reference (*name) is not expected here")
        return super().compose_node(parent, index)


def parse_yaml_without_aliases(text: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """Return what a text in YAML says that somebody else wrote. Raises `yaml.YAMLError`, `RecursionError`."""
    return yaml.load(text, _WithoutAliases)  # nosec B506 # a SafeLoader


def parse_yaml(text: str) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """Return what a text in YAML says. Raises `yaml.YAMLError`."""
    return yaml.load(text, _Loader)  # nosec B506 # a SafeLoader


def read_yaml(path: str | Path, what: str, *, references: bool = True) -> Any:  # noqa: ANN401 (whatever YAML holds)
    """Return what a YAML file holds. Raises `RecipeError` that calls the file `what`.

    Without `references` it may hold none (*name), as a file that somebody else may have written.
    """
    try:
        text = Path(path).read_text("utf-8")
        return parse_yaml(text) if references else parse_yaml_without_aliases(text)
    except OSError as error:
        raise RecipeError(f"{what} '{path}' cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        byte, line = error.object[error.start], error.object[: error.start].count(b"\n") + 1
        raise RecipeError(
            f"{what} '{path}' is not UTF-8: byte 0x{byte:02x} in line {line}. Save it as UTF-8."
        ) from None
    except RecursionError:
        raise RecipeError(f"{what} '{path}' is nested too deeply to be read.") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{what} '{path}' is not valid YAML: {' '.join(str(error).split())}.") from None
