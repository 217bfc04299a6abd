"""Programs that are not here, would reach out, or take too long: strict about what they are told, and nothing else.

Each knows the subcommands and options that the documents use; files that it is named must exist and be what they should
be. What it does not know, it refuses: then it has to be taught, or the document is wrong.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path

from documents.cloud_programs import GCLOUD, KUBECTL, check, require
from documents.docker_program import docker

ROOT = Path(os.environ["DOCUMENTS_ROOT"])


def main(program: str, words: list[str]) -> None:
    """Check what the program is told, and leave a note of it."""
    with open(Path(os.environ["DOCUMENTS_STATE"]) / "stand-ins", "a") as file:
        file.write(json.dumps([program, *words]) + "\n")
    {
        "pip": pip,
        "make": make,
        "gh": gh,
        "docker": docker,
        "kubectl": lambda words: check("kubectl", KUBECTL, words),
        "gcloud": lambda words: check("gcloud", GCLOUD, words),
        "ray": ray,
    }.get(program, unknown)(words)


def unknown(words: list[str]) -> None:
    sys.exit(f"no stand-in knows this program: {' '.join(words)}")


def pip(words: list[str]) -> None:
    """`pip install`: of Copydesk with extras that it has, or of what is pinned in its constraints."""
    require(words[0] == "install", f"pip {words[0]}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if word in ("--quiet", "--upgrade"):
            continue
        if word in ("-r", "-c", "--requirement", "--constraint"):
            require(Path(rest.pop(0)).is_file(), "pip: no such file")
            continue
        match = re.fullmatch(r"([a-zA-Z0-9._-]+)(?:\[([\w,]+)\])?(?:[=<>~]=[\w.*]+)?", word)
        require(match, f"pip: {word}")
        assert match is not None
        if match[1] == "copydesk":
            extras = set((match[2] or "").split(",")) - {""}
            require(extras <= set(project["optional-dependencies"]), f"pip: no such extra in {word}")
        else:
            require(match[1].lower() in pinned, f"pip: {word} is not in constraints.txt")


def make(words: list[str]) -> None:
    """`make TARGET`: a target of the Makefile. What it does is run by .ci/run itself."""
    rules = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    require(words and set(word for word in words if "=" not in word) <= set(rules), f"make {' '.join(words)}")


def gh(words: list[str]) -> None:
    """`gh attestation verify FILE --repo OWNER/REPO`."""
    require(words[:2] == ["attestation", "verify"], f"gh {' '.join(words)}")
    file, option, repository = words[2:]
    require(Path(file).is_file(), f"gh: there is no {file}")
    require(option == "--repo" and re.fullmatch(r"[\w-]+/[\w.-]+", repository), f"gh: {option} {repository}")


def ray(words: list[str]) -> None:
    """`ray start --head`, or `--address=HOST:PORT`; a cluster is not started here: `tests/e2e` has one."""
    require(words[0] == "start" and len(words) == 2, f"ray {' '.join(words)}")
    require(words[1] == "--head" or re.fullmatch(r"--address=[\w.-]+:\d+", words[1]), f"ray {words[1]}")
