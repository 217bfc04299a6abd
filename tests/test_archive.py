from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from bundle_fakes import plain_bundle, rewrite
from copydesk.archive import pack, unpack
from copydesk.bundle import Bundle, open_bundle, sign_bundle
from copydesk.cli.main import app
from copydesk.errors import BundleError, CopydeskError, UsageError
from copydesk.signing import TRUSTED_KEYS

Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return plain_bundle(tmp_path / "bundle")


@pytest.fixture
def archive(bundle: Bundle, tmp_path: Path) -> Path:
    return pack(bundle, tmp_path / "bundle.tar.gz")


def _key(folder: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pub.pem").write_bytes(public)
    return folder / "key.pem", folder / "key.pub.pem"


def _members(archive: Path) -> list[Member]:
    with tarfile.open(archive) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def _write(archive: Path, members: list[Member], kind: int = tarfile.USTAR_FORMAT) -> None:
    with tarfile.open(archive, "w:gz", format=kind) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))


def _file(name: str, content: bytes = b"x") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def _special(name: str, kind: bytes, link: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member, b""


def _nothing_left(archive: Path, out: Path) -> str:
    """Return why an archive is refused; nothing may be left of it, in `out` or anywhere beside."""
    before = sorted(path for path in out.parent.rglob("*"))
    with pytest.raises(CopydeskError) as caught:
        unpack(archive, out)
    assert sorted(path for path in out.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_unpacked_is_the_bundle_that_was_packed(archive: Path, bundle: Bundle, tmp_path: Path) -> None:
    again = unpack(archive, tmp_path / "again")
    assert again.path == tmp_path / "again" and open_bundle(again.path).digest == bundle.digest
    assert {file.name for file in again.layout.files()} == {file.name for file in bundle.layout.files()}


def test_the_same_bundle_gives_the_same_archive_wherever_and_whenever(bundle: Bundle, tmp_path: Path) -> None:
    first = pack(bundle, tmp_path / "first.tar.gz")
    copy = unpack(first, tmp_path / "copy")
    for file in copy.layout.files():
        os.utime(file, (1, 1))
        file.chmod(0o600)
    assert pack(copy, tmp_path / "second.tar.gz").read_bytes() == first.read_bytes()


def test_any_tar_can_unpack_it(archive: Path, bundle: Bundle, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        tar.extractall(tmp_path, filter="data")
    top = f"toy-{bundle.digest[:12]}"
    assert names[0] == f"{top}/manifest.json" and all(name.startswith(f"{top}/") for name in names)
    assert open_bundle(tmp_path / top).digest == bundle.digest


def test_a_file_beside_the_bundles_own_is_not_packed(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "NOTES.txt").write_text("not for everyone")
    names = [member.name for member, _ in _members(pack(bundle, tmp_path / "a.tar.gz"))]
    assert not [name for name in names if "NOTES" in name]


def test_a_signature_travels_along_and_is_verified_first(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = _key(tmp_path)
    unsigned = pack(bundle, tmp_path / "unsigned.tar.gz")
    signed = pack(sign_bundle(bundle.path, private), tmp_path / "signed.tar.gz")
    monkeypatch.setenv(TRUSTED_KEYS, str(public))
    assert unpack(signed, tmp_path / "again").layout.signature.is_file()
    assert "is not signed" in _nothing_left(unsigned, tmp_path / "b")
    _write(signed, [*_members(signed)[:1], _file(_members(signed)[1][0].name, b"0" * 64), *_members(signed)[2:]])
    assert "is signed by no key" in _nothing_left(signed, tmp_path / "c")


TOP = "toy-0"
HOSTILE: dict[str, tuple[Callable[[str], Member], str]] = {
    "absolute": (lambda top: _file("/tmp/escaped"), "lies outside its folder"),  # a path: hostile  # noqa: S108
    "dots": (lambda top: _file(f"{top}/../escaped"), "which its manifest does not"),
    "dots first": (lambda top: _file("../escaped"), "lies outside its folder"),
    "another folder": (lambda top: _file("other/escaped"), "lies outside its folder"),
    "no folder": (lambda top: _file("escaped"), "lies outside its folder"),
    "unlisted": (lambda top: _file(f"{top}/model/escaped.py"), "which its manifest does not"),
    "twice": (lambda top: _file(f"{top}/settings.json"), "which its manifest does not"),
    "manifest twice": (lambda top: _file(f"{top}/manifest.json"), "which its manifest does not"),
    "a late signature": (lambda top: _file(f"{top}/manifest.json.sig"), "which its manifest does not"),
    "a link": (lambda top: _special(f"{top}/model/x", tarfile.SYMTYPE, "/etc"), "is no plain file"),
    "a hard link": (lambda top: _special(f"{top}/model/x", tarfile.LNKTYPE, "/etc/passwd"), "is no plain file"),
    "a device": (lambda top: _special(f"{top}/model/x", tarfile.CHRTYPE), "is no plain file"),
    "a pipe": (lambda top: _special(f"{top}/model/x", tarfile.FIFOTYPE), "is no plain file"),
    "a folder": (lambda top: _special(f"{top}/model/x", tarfile.DIRTYPE), "is no plain file"),
    "sparse": (lambda top: _special(f"{top}/model/x", tarfile.GNUTYPE_SPARSE), "is no plain file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_is_no_part_of_the_bundle_is_refused(archive: Path, tmp_path: Path, kind: str) -> None:
    members = _members(archive)
    hostile, message = HOSTILE[kind]
    _write(archive, [*members, hostile(members[0][0].name.partition("/")[0])])
    assert message in _nothing_left(archive, tmp_path / "out")
    assert not Path("/tmp/escaped").exists()  # a path: hostile  # noqa: S108


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_headers_that_tar_would_read_into_memory_are_refused_unread(archive: Path, tmp_path: Path, kind: int) -> None:
    members = _members(archive)
    top = members[0][0].name.partition("/")[0]
    _write(archive, [*members, _file(f"{top}/{'x' * 300}")], kind)
    assert "is no plain file" in _nothing_left(archive, tmp_path / "out")


def test_a_manifest_that_is_not_first_is_refused(archive: Path, tmp_path: Path) -> None:
    _write(archive, _members(archive)[::-1])
    assert "does not begin with manifest.json" in _nothing_left(archive, tmp_path / "out")


def test_a_file_of_another_size_than_the_manifest_says_is_refused(archive: Path, tmp_path: Path) -> None:
    members = _members(archive)
    _write(archive, [*members[:-1], _file(members[-1][0].name, members[-1][1] + b" ")])
    assert "which its manifest does not" in _nothing_left(archive, tmp_path / "out")


def test_a_file_of_other_content_is_refused(archive: Path, tmp_path: Path) -> None:
    members = _members(archive)
    _write(archive, [*members[:-1], _file(members[-1][0].name, members[-1][1][::-1])])
    assert "is not the file that was trained" in _nothing_left(archive, tmp_path / "out")


def test_a_missing_file_is_refused(archive: Path, tmp_path: Path) -> None:
    _write(archive, _members(archive)[:-1])
    assert "bundle.tar.gz/settings.json' is missing from the bundle" in _nothing_left(archive, tmp_path / "out")


def test_an_archive_that_would_fill_the_disk_is_refused_before_it_does(bundle: Bundle, tmp_path: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["files"]["report.json"].update(bytes=1 << 60))
    content = bundle.layout.manifest.read_bytes()
    _write(tmp_path / "bomb.tar.gz", [_file("toy-0/manifest.json", content), _file("toy-0/settings.json", b"0" * 10)])
    assert "would unpack to 1,152,921,504,606,84" in _nothing_left(tmp_path / "bomb.tar.gz", tmp_path / "out")


def test_a_manifest_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    member = tarfile.TarInfo("toy-0/manifest.json")
    member.size = 8 << 30
    with gzip.open(tmp_path / "bomb.tar.gz", "wb") as sink:
        sink.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(1_000))
    assert "does not begin with manifest.json" in _nothing_left(tmp_path / "bomb.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: whole[:40], lambda whole: b"PK" + whole]
)
def test_half_an_archive_or_none_is_one_line(archive: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive.write_bytes(damage(archive.read_bytes()))
    assert "is no whole .tar.gz file" in _nothing_left(archive, tmp_path / "out")


def test_garbage_inside_a_sound_gzip_is_one_line(archive: Path, tmp_path: Path) -> None:
    for content in (b"", bytes(1024), b"\xff" * 512, os.urandom(5_000)):
        archive.write_bytes(gzip.compress(content))
        assert _nothing_left(archive, tmp_path / "out")


def test_no_folder_is_ever_unpacked_over(archive: Path, bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="exists already"):
        unpack(archive, bundle.path)
    with pytest.raises(UsageError, match="does not exist"):
        unpack(archive.with_name("none.tar.gz"), bundle.path.with_name("out"))


def test_a_changed_bundle_is_not_packed(bundle: Bundle, tmp_path: Path) -> None:
    bundle.layout.settings.write_text("{}")
    done = CliRunner().invoke(app, ["pack", str(bundle.path), "--out", str(tmp_path / "a.tar.gz")])
    assert done.exit_code == 1 and not (tmp_path / "a.tar.gz").exists()


def test_the_commands_pack_and_unpack(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packed = CliRunner().invoke(app, ["pack", "bundle", "--json"])
    assert packed.exit_code == 0, packed.stderr
    digest = hashlib.sha256(Path("bundle.tar.gz").read_bytes()).hexdigest()
    assert json.loads(packed.stdout) == {"archive": "bundle.tar.gz", "sha256": digest, "digest": bundle.digest}
    assert CliRunner().invoke(app, ["unpack", "bundle.tar.gz"]).stdout == "bundle: bundles/bundle\n"
    assert open_bundle(Path("bundles/bundle")).digest == bundle.digest
    assert CliRunner().invoke(app, ["unpack", "bundle.tar.gz"]).exit_code == BundleError.exit_code + 1
