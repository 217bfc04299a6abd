import gzip
from pathlib import Path

import pytest

from copydesk.data.sources import read_sources
from copydesk.errors import RecipeError, SourceError
from copydesk.recipe import SourceFile, parse_recipe

ROWS = "text,label\nnaïve café,1\n€ 5,0\n"


def _texts(path: Path, content: bytes, **options: object) -> list[str]:
    path.write_bytes(content)
    return read_sources([SourceFile.model_validate({"url": str(path), **options})]).frame["text"].to_list()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_which_encoding_it_is(tmp_path: Path, encoding: str) -> None:
    assert _texts(tmp_path / "a.csv", ROWS.encode(encoding)) == ["naïve café", "€ 5"]


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16-le", "utf-16", "utf-8"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_recipe_names_any_other_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    content = ROWS.encode(encoding)
    packed = gzip.compress(content) if name.endswith(".gz") else content
    assert _texts(tmp_path / name, packed, encoding=encoding) == ["naïve café", "€ 5"]


@pytest.mark.parametrize(
    ("name", "line", "where"),
    [("a.csv", "caf\xe9,1", 40_003), ("a.tsv", "caf\xe9\t1", 40_003), ("a.jsonl", '{"text": "caf\xe9"}', 40_003)],
)
def test_a_byte_that_is_not_utf_8_is_named_with_its_line_and_two_remedies(
    tmp_path: Path, name: str, line: str, where: int
) -> None:
    first, filler = {"a.csv": ("text,label", "x,y"), "a.tsv": ("text\tlabel", "x\ty")}.get(name, ("{}", "{}"))
    content = "\n".join([first, *[filler] * 40_001, line]).encode("latin-1")
    with pytest.raises(
        SourceError, match=rf"is not UTF-8: byte 0xe9 in line {where}\. .*`encoding: windows-1252`.*iconv"
    ):
        _texts(tmp_path / name, content)


def test_a_file_cut_off_inside_a_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not UTF-8: byte 0xc3 in line 2"):
        _texts(tmp_path / "a.csv", "text,label\ncafé".encode()[:-1])


def test_utf_16_without_a_mark_is_recognised_by_its_nuls(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="NULs among its first .* If it is UTF-16 .*`encoding: utf-16-le`"):
        _texts(tmp_path / "a.csv", ROWS.encode("utf-16-le"))


def test_a_stray_nul_is_read_as_the_text_it_stands_in(tmp_path: Path) -> None:
    assert _texts(tmp_path / "a.csv", b"text,label\na\0b,1\n") == ["a\0b"]
    assert _texts(tmp_path / "a.txt", b"a long first line with one \0 in it\n") == [
        "a long first line with one \0 in it"
    ]


def test_an_encoding_that_does_not_exist_is_refused_by_the_recipe() -> None:
    for name in ("klingon", "rot13"):
        with pytest.raises(RecipeError, match=f"source.0.encoding: '{name}' is no text encoding"):
            parse_recipe({"name": "x", "source": {"url": "a.csv", "encoding": name}})
