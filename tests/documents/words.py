"""Shell text -> the commands in it, and those of Copydesk held against the real command line, without running them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from copydesk.cli.main import app

_ENDS = re.compile(r"[|&;()]+")
_REDIRECTION = re.compile(r"[<>]+&?")
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_|]*|…|\[.*|.*\.\.\.\]?|.*\]")
_SUBSTITUTION = re.compile(r"\$\(|`")
_REFUSED: Any = typer.BadParameter.__mro__[2]  # ClickException, of click or of typer's own copy of it
_KEYWORDS = {"if", "then", "else", "fi", "for", "do", "done", "while", "until", "in", "{", "}", "!", "time"}


def commands(script: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a script, without assignments before it and redirections."""
    for line in script.replace("\\\n", " ").splitlines():
        words: list[str] = []
        after_redirection = False
        for word in _split(line):
            if _ENDS.fullmatch(word):
                yield from _command(words)
                words = []
            elif _REDIRECTION.fullmatch(word):
                after_redirection = True
            elif after_redirection:
                after_redirection = False
            else:
                words.append(word)
        yield from _command(words)


def copydesk_words(words: list[str]) -> list[str] | None:
    """Return what a command tells Copydesk, in a container too, or None if it is another program's."""
    if words[0] in ("copydesk", ".venv/bin/copydesk"):
        return words[1:]
    if words[:2] == ["docker", "compose"] and "train" in words and "run" in words:
        return words[words.index("train") + 1 :]
    if words[:2] == ["docker", "run"] and "copydesk-serve" in words:
        return ["serve", "MODEL", *words[words.index("copydesk-serve") + 1 :]]
    if "copydesk" in words and words[words.index("copydesk") - 1] == "-m":
        return words[words.index("copydesk") + 1 :]
    return None


def mistake(words: list[str], *, whole: bool) -> str | None:
    """Return what the command line would refuse, or None.

    Of a command that is not whole, as prose mentions it, arguments may be missing and capitals stand for values.
    """
    command = _command_line()
    name, rest = "copydesk", list(words)
    while hasattr(command, "commands"):
        if not rest and not whole:
            return None
        if not rest or rest[0] not in command.commands:
            return f"there is no `{' '.join([name, *rest[:1]])}`"
        name, command = f"{name} {rest[0]}", command.commands[rest.pop(0)]
    if not whole:
        rest = [_filled_in(word) for word in rest if not word.startswith("[") and word != "…"]
    before = dict(os.environ)  # an option such as --trust sets a variable, for the command alone
    try:
        command.make_context(name, rest)
    except typer.Exit:  # --help
        return None
    except _REFUSED as error:
        is_missing = type(error).__name__ in ("MissingParameter", "BadOptionUsage")
        return None if is_missing and not whole else str(error.format_message())
    finally:
        os.environ.clear()
        os.environ.update(before)
    return None


@cache
def _command_line() -> Any:  # noqa: ANN401 (a click command, typer's own copy of it or not)
    return typer.main.get_command(app)


def _filled_in(word: str) -> str:
    return "3" if _PLACEHOLDER.fullmatch(word) else word


def _split(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        return list(lexer)
    except ValueError:  # a quote that ends on another line: what is in it is no command
        return []


def _command(words: list[str]) -> Iterator[list[str]]:
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in (*_KEYWORDS, "export")):
        words = words[1:]
    if words and not (_SUBSTITUTION.search(words[0])):
        yield words
