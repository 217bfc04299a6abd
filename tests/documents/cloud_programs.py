"""`gcloud` and `kubectl` as the documents use them: each subcommand with what it takes, and nothing else.

A table says of each subcommand which words it wants and which options it knows; a kind tells what a word must be. Files
must exist and hold what the command wants, so a manifest that `copydesk deploy render` did not write is found here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

Kind = Callable[[str], object]


class Command(NamedTuple):
    """What a subcommand takes: kinds of its words (the last one for all that follow) and of its options' values."""

    words: tuple[Kind, ...] = ()
    options: dict[str, Kind] = {}
    flags: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


def like(pattern: str) -> Kind:
    return lambda word: re.fullmatch(pattern, word)


def is_file(word: str) -> bool:
    return Path(word).is_file()


def from_file(word: str) -> bool:
    """`FILE`, or `KEY=FILE`."""
    return is_file(word.rpartition("=")[2])


def manifest(*kinds: str) -> Kind:
    """A file of objects, of these kinds if any are named."""
    return lambda word: is_file(word) and all(_is_object(value, kinds) for value in read_all_yaml(Path(word)))


def kustomization(word: str) -> bool:
    """A folder whose kustomization names files that are there, of objects."""
    file = Path(word) / "kustomization.yaml"
    names = read_yaml(file)["resources"] if file.is_file() else []
    return bool(names) and all(manifest()(str(file.parent / name)) for name in names)


def _is_object(value: dict, kinds: Sequence[str]) -> bool:
    return {"apiVersion", "kind", "metadata"} <= set(value) and (not kinds or value["kind"] in kinds)


NAME = like(r"[a-z][a-z0-9-]*")
REGION = like(r"[a-z]+-[a-z]+[0-9]+")
BUCKET = like(r"gs://[a-z0-9-]+")
PORT = like(r"[0-9]+")
MEMBER = {"--member": like(r"(serviceAccount|user|group):[\w.-]+@[\w.-]+"), "--role": like(r"roles/[\w.]+")}
IN_REGION: dict[str, Kind] = {"--region": REGION}
IN_NAMESPACE: dict[str, Kind] = {"--namespace": NAME}


def file_or_address(word: str) -> bool:
    return is_file(word) or bool(re.fullmatch(r"gs://[a-z0-9-]+/\S+", word))


GCLOUD = {
    "config set project": Command((NAME,)),
    "services enable": Command((like(r"[a-z]+\.googleapis\.com"),)),
    "artifacts repositories create": Command(
        (NAME,), {"--repository-format": like("docker"), "--location": REGION}, needed=("--repository-format",)
    ),
    "auth configure-docker": Command((like(r"[a-z0-9-]+-docker\.pkg\.dev"),)),
    "iam service-accounts create": Command((NAME,)),
    "secrets create": Command((NAME,), {"--data-file": is_file}, needed=("--data-file",)),
    "secrets add-iam-policy-binding": Command((NAME,), MEMBER, needed=tuple(MEMBER)),
    "storage buckets add-iam-policy-binding": Command((BUCKET,), MEMBER, needed=tuple(MEMBER)),
    "storage cp": Command((file_or_address, file_or_address)),
    "run services replace": Command((manifest("Service"),), IN_REGION, needed=("--region",)),
    "run services add-iam-policy-binding": Command((NAME,), {**IN_REGION, **MEMBER}, needed=("--region", *MEMBER)),
    "run services proxy": Command((NAME,), {**IN_REGION, "--port": PORT}, needed=("--region",)),
    "ai custom-jobs create": Command(
        (),
        {**IN_REGION, "--display-name": NAME, "--config": lambda word: "workerPoolSpecs" in read_yaml(Path(word))},
        needed=("--region", "--display-name", "--config"),
    ),
}
KUBECTL = {
    "apply": Command((), {"-k": kustomization, "-f": manifest()}),
    "create namespace": Command((NAME,)),
    "create secret generic": Command(
        (NAME,), {**IN_NAMESPACE, "--from-file": from_file}, needed=("--namespace", "--from-file")
    ),
    "get": Command((NAME, NAME), {**IN_NAMESPACE, "--raw": like(r"/apis?/\S+")}),
    "logs": Command((like(r"job/[a-z0-9-]+"),), IN_NAMESPACE, ("--follow",)),
}


def check(program: str, table: dict[str, Command], words: list[str]) -> None:
    """Hold a command line against a program's table; end with what is wrong."""
    line = " ".join([program, *words])
    name = next((name for name in table if f"{line} ".startswith(f"{program} {name} ")), None)
    if name is None:
        sys.exit(f"stand-in: no such command is known: {line}")
    command, rest = table[name], words[len(name.split()) :]
    said, seen = [], set()
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option in command.options:
            value = value if equals else "".join(rest[:1])
            rest = rest if equals else rest[1:]
            require(command.options[option](value), f"{line}: {option} {value}")
            seen.add(option)
        elif word not in command.flags:
            said.append(word)
    kinds = [*command.words, *command.words[-1:] * len(said)]
    for kind, word in zip(kinds, said, strict=False):
        require(kind(word), f"{line}: {word}")
    require(bool(said) <= bool(kinds), f"{line}: {said}")
    require(set(command.needed) <= seen, f"{line}: {', '.join(command.needed)} are needed")
    require(said or seen, f"{line}: of what?")


def require(holds: object, why: str) -> None:
    if not holds:
        sys.exit(f"stand-in: {why}")


def read_yaml(file: Path) -> dict:
    return read_all_yaml(file)[0]


def read_all_yaml(file: Path) -> list[dict]:
    python = Path(os.environ["DOCUMENTS_PYTHON"]).parent.parent
    sys.path += map(str, python.glob("lib/python3*/site-packages"))
    import yaml

    return [value for value in yaml.safe_load_all(file.read_text("utf-8")) if value]
