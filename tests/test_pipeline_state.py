from __future__ import annotations

from pathlib import Path

import pytest

from copydesk.errors import UsageError
from copydesk.pipeline.state import State, content_of, digest, held_state


def _finished(folder: Path) -> tuple[State, Path]:
    state, output = State(folder / "toy.json"), folder / "raw.parquet"
    state.begin("collect", "inputs", output)
    output.write_text("rows")
    state.finish("collect")
    return State(folder / "toy.json"), output


def test_a_finished_stage_with_the_same_inputs_is_unchanged(tmp_path: Path) -> None:
    state, output = _finished(tmp_path)
    assert state.finished("collect", "inputs") == output


def test_other_inputs_make_the_stage_run_again(tmp_path: Path) -> None:
    state, _ = _finished(tmp_path)
    assert state.finished("collect", "others") is None
    assert state.begun("collect", "others") is None


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_a_changed_or_missing_output_makes_the_stage_run_again(change: str, tmp_path: Path) -> None:
    state, output = _finished(tmp_path)
    output.write_text("other rows") if change == "edited" else output.unlink()
    assert state.finished("collect", "inputs") is None


def test_a_stage_that_was_killed_goes_on_with_the_output_it_had_chosen(tmp_path: Path) -> None:
    State(tmp_path / "toy.json").begin("train", "inputs", tmp_path / "toy-3")
    state = State(tmp_path / "toy.json")
    assert state.begun("train", "inputs") == tmp_path / "toy-3"
    assert state.finished("train", "inputs") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"train": 1}', '{"train": {"place": "x"}}'])
def test_a_broken_state_is_begun_anew(content: str, tmp_path: Path) -> None:
    (tmp_path / "toy.json").write_text(content)
    assert State(tmp_path / "toy.json").finished("train", "inputs") is None


def test_a_folder_counts_from_its_manifest_on(tmp_path: Path) -> None:
    assert content_of(tmp_path) is None
    (tmp_path / "manifest.json").write_text("{}")
    assert content_of(tmp_path) is not None


def test_two_processes_cannot_run_one_recipe_in_one_place(tmp_path: Path) -> None:
    with held_state("toy"), pytest.raises(UsageError, match="Another process is running recipe 'toy' here"):  # noqa: SIM117
        with held_state("toy"):
            pass
    with held_state("toy"):
        pass


def test_equal_values_have_equal_digests_whatever_their_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
