"""Every code block of the documents, without running it: its language, its syntax, commands and keys that exist."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from copydesk.data.review_file import read_review
from copydesk.serve.explain_routes import Explanations
from copydesk.serve.schemas import Answers
from documents.needs import NEEDS
from documents.pages import LANGUAGES, PAGES, ROOT, Block, blocks, blocks_of, every_block, spans
from documents.ports import PORTS, SERVERS, ports_in, with_ports
from documents.running import RUN, first_line_is, is_run, unused
from documents.words import commands, copydesk_words, mistake
from documents.written import check_yaml, json_values

of_bash = pytest.mark.parametrize("block", every_block("bash"), ids=lambda block: block.name)
of_yaml = pytest.mark.parametrize("block", every_block("yaml"), ids=lambda block: block.name)


def test_every_block_is_a_fence_with_a_known_language() -> None:
    wrong = [block.name for block in every_block() if not block.is_fence or block.language not in LANGUAGES]
    assert not wrong


@of_bash
def test_commands_are_sound_shell_and_stand_without_a_prompt(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not any(line.startswith(("$ ", "> ")) for line in block.text.splitlines())


@of_bash
def test_every_command_line_of_ours_is_one_that_is_understood(block: Block) -> None:
    found = [(words, copydesk_words(words)) for words in commands(block.text)]
    wrong = {" ".join(words): why for words, ours in found if ours is not None and (why := mistake(ours, whole=True))}
    assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_prose_mentions_exists_with_its_options(page: str) -> None:
    wrong = {}
    for line, code in spans(page):
        for words in commands(code):
            ours = copydesk_words(words)
            if ours is not None and (why := mistake(ours, whole=False)):
                wrong[f"{page}:{line}: {code}"] = why
    assert not wrong


@of_yaml
def test_yaml_is_what_its_reader_understands(block: Block, tmp_path: Path) -> None:
    check_yaml(block.text, tmp_path)


def test_json_is_json() -> None:
    for block in every_block("json"):
        assert json_values(block.text), block.name


@pytest.mark.parametrize(
    ("page", "place", "reads"),
    [
        ("docs/serve.md", 0, lambda values, _: Answers.model_validate(values[0], extra="forbid")),
        ("docs/page.md", 0, lambda values, _: Explanations.model_validate(values[0], extra="forbid")),
        ("docs/repair.md", 0, lambda values, folder: _item(values[0], folder)),
        ("docs/review.md", 0, lambda values, folder: _item(values[1], folder)),
    ],
)
def test_json_that_is_ours_has_the_keys_that_ours_has(page: str, place: int, reads: Any, tmp_path: Path) -> None:
    block = [block for block in blocks(page) if block.language == "json"][place]
    assert reads(json_values(block.text), tmp_path)


def _item(values: dict[str, Any], folder: Path) -> object:
    """Read a text of a review file with its header, which is read as strictly as any."""
    labels = sorted({values["label"], values["suggested"], *values["model"]})
    header = {"task": "single", "labels": labels, "categories": {}, "recipe": "x", "format": "copydesk review 1"}
    path = folder / "review.jsonl"
    path.write_text(json.dumps(header) + "\n" + json.dumps(values) + "\n", "utf-8")
    return read_review(path).items[0]


def test_python_compiles() -> None:
    for block in every_block("python"):
        ast.parse(block.text, block.name)


def test_a_page_is_read_with_its_lines_and_languages() -> None:
    page = "One\n\n```bash\nls\n```\n\n- a list\n\n  ```json\n  {}\n  ```\n\n    indented\n\n```\nnone\n```\n"
    found = [(block.line, block.language, block.text) for block in blocks_of(page, "page")]
    assert found[:2] == [(3, "bash", "ls\n"), (9, "json", "{}\n")]
    assert found[-1][1] == ""


def test_a_script_is_read_as_its_commands() -> None:
    script = "export A=1\nB=2 copydesk serve x --port 1 > out 2>&1 && ls | wc -l   # end\ncopydesk train \\\n  y\n"
    found = list(commands(script))
    assert ["ls"] in found and ["copydesk", "train", "y"] in found
    assert any(words[:5] == ["copydesk", "serve", "x", "--port", "1"] for words in found)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("copydesk trian x", "there is no `copydesk trian`"),
        ("copydesk train", "Missing argument"),
        ("copydesk train x --no-such y", "No such option"),
        ("copydesk monitor x", "there is no `copydesk monitor x`"),
        ("torchrun -m copydesk serve x --port many", "valid integer"),
    ],
)
def test_a_command_line_that_would_be_refused_is_told(line: str, why: str) -> None:
    (words,) = commands(line)
    ours = copydesk_words(words)
    assert ours is not None and why in (mistake(ours, whole=True) or "")


def test_there_are_pages_and_blocks() -> None:
    assert len(PAGES) > 40 and len(every_block("bash")) > 30
    assert blocks("README.md")[0].language == "bash"


@pytest.mark.parametrize("page", NEEDS)
def test_what_a_page_s_entry_declares_is_in_the_page(page: str) -> None:
    assert page in PAGES and not unused(page)


def test_hardly_a_block_is_not_run() -> None:
    """Whoever adds to these has a reason, which stands beside it, and changes this number."""
    declared = [one for found in NEEDS.values() for one in found.not_run]
    runnable = every_block(*RUN)
    not_run = [block for block in runnable if not is_run(block)]
    print(f"{len(not_run)} of {len(runnable)} blocks are not run: {[block.name for block in not_run]}")  # noqa: T201
    assert len(not_run) == len(declared)
    assert len([one for one in declared if not one.runs_in]) == 1
    assert all(one.why for found in NEEDS.values() for one in (*found.not_run, *found.replaced, *found.fails))


def test_a_block_that_another_page_runs_stands_there_line_by_line() -> None:
    declared = [(page, one) for page, found in NEEDS.items() for one in found.not_run if one.runs_in]
    for page, one in declared:
        (block,) = [block for block in blocks(page) if first_line_is(block, one.first_line)]
        there = [line for other in blocks(one.runs_in) if is_run(other) for line in other.text.splitlines()]
        rest = iter(there)
        assert all(line in rest for line in block.text.splitlines()), f"{block.name}: in this order in {one.runs_in}"
    assert declared


def test_the_ports_that_pages_name_are_declared_and_no_others() -> None:
    found = {port for block in every_block(*RUN) for port in ports_in(block.text)}
    assert found <= set(PORTS)
    assert set(PORTS) == found | set(filter(None, SERVERS.values()))


def test_a_port_is_replaced_where_it_is_one() -> None:
    own = dict.fromkeys(PORTS, "1")
    text = "serve x --port 8000 && curl http://127.0.0.1:8000/v1 localhost:9464 # 8000 texts, 18000, host:5000"
    assert (
        with_ports(text, own)
        == "serve x --port 1 && curl http://127.0.0.1:1/v1 localhost:1 # 8000 texts, 18000, host:5000"
    )
    with pytest.raises(KeyError):
        with_ports("curl 127.0.0.1:8001", own)


@pytest.mark.parametrize(
    "line",
    [
        "gcloud run services replace rendered/absent.yaml --region europe-west1",
        "gcloud run services replace job.yaml --region europe-west1",
        "gcloud run services replace service.yaml",
        "gcloud run services delete clickbait",
        "gcloud secrets create keys --data-file absent",
        "kubectl apply -k .",
        "kubectl apply -f absent.yaml",
        "kubectl create secret generic keys --namespace copydesk --from-file KEY=absent",
        "kubectl get pods --watch",
        "docker run copydesk-serve",
        "docker build -f Dockerfile --target absent -t copydesk-serve .",
        "docker push copydesk-serve",
        "docker compose -f compose.yaml up",
        "docker compose -f other.yaml run absent",
    ],
)
def test_a_stand_in_refuses_what_its_program_would(line: str, stand_in: Callable[[str], str]) -> None:
    assert "stand-in: " in stand_in(line)


@pytest.mark.parametrize(
    "line",
    [
        "gcloud run services replace service.yaml --region europe-west1",
        "kubectl apply -f job.yaml",
        "docker build -f Dockerfile --target serve -t copydesk-serve .",
        "docker compose -f other.yaml up",
    ],
)
def test_a_stand_in_takes_what_is_right(line: str, stand_in: Callable[[str], str]) -> None:
    assert not stand_in(line)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return what says why a command line is refused, in a folder with a few files."""
    files = {
        "service.yaml": "{apiVersion: v1, kind: Service, metadata: {name: a}}",
        "job.yaml": "{apiVersion: v1, kind: Job, metadata: {name: a}}",
        "Dockerfile": "FROM python AS serve\n",
        "compose.yaml": "services: {a: {image: b, environment: {A: '${A_VARIABLE:?it is needed}'}}}",
        "other.yaml": "services: {a: {image: b}}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    environment = {"DOCUMENTS_ROOT": ROOT, "DOCUMENTS_STATE": tmp_path, "DOCUMENTS_PYTHON": sys.executable}
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))

    def told(line: str) -> str:
        from documents.stand_in import main

        try:
            main(line.split()[0], line.split()[1:])
        except SystemExit as refused:
            return str(refused)
        return ""

    return told
