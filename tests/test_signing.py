from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from bundle_fakes import plain_bundle
from copydesk.bundle import Bundle, open_bundle, sign_bundle
from copydesk.cli.main import app
from copydesk.errors import BundleError, UsageError
from copydesk.runtime.engine import Classifier
from copydesk.signing import TRUSTED_KEYS

RUN = CliRunner()


class Keys:
    """A private key and its public half, as files."""

    def __init__(self, folder: Path, name: str, password: str = "") -> None:
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        key = Ed25519PrivateKey.generate()
        locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        self.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        self.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "ours")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return plain_bundle(tmp_path / "bundle")


@pytest.fixture
def trusting(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    monkeypatch.setenv(TRUSTED_KEYS, str(keys.public))
    return keys


def test_without_trusted_keys_bundles_need_no_signature_and_one_changes_nothing(bundle: Bundle, keys: Keys) -> None:
    signed = sign_bundle(bundle.path, keys.private)
    assert open_bundle(bundle.path).digest == signed.digest == bundle.digest


def test_a_signed_bundle_is_opened_where_its_key_is_trusted(bundle: Bundle, trusting: Keys) -> None:
    sign_bundle(bundle.path, trusting.private)
    assert Classifier.load(bundle.path).predict(["a b"])


def test_an_unsigned_bundle_is_refused_before_any_other_file_is_read(bundle: Bundle, trusting: Keys) -> None:
    for file in bundle.layout.files():
        file.unlink()
    with pytest.raises(BundleError, match=r"is not signed, and only .*copydesk sign BUNDLE --key FILE"):
        open_bundle(bundle.path)


def test_a_bundle_signed_by_another_key_is_refused(bundle: Bundle, trusting: Keys, tmp_path: Path) -> None:
    sign_bundle(bundle.path, Keys(tmp_path, "theirs").private)
    with pytest.raises(BundleError, match=r"is signed by no key of .* Nothing of it was read"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("content", [b"", b"0" * 63, b"0" * 64, b"0" * 65, b"\0" * 1_000_000])
def test_bytes_that_are_no_signature_are_refused(bundle: Bundle, trusting: Keys, content: bytes) -> None:
    bundle.layout.signature.write_bytes(content)
    with pytest.raises(BundleError, match="is signed by no key"):
        open_bundle(bundle.path)


def test_a_manifest_changed_after_signing_is_refused_though_it_is_still_valid(bundle: Bundle, trusting: Keys) -> None:
    sign_bundle(bundle.path, trusting.private)
    bundle.layout.manifest.write_text(bundle.layout.manifest.read_text() + "\n")
    with pytest.raises(BundleError, match="was changed after it was signed"):
        open_bundle(bundle.path)


def test_a_file_changed_after_signing_is_refused(bundle: Bundle, trusting: Keys) -> None:
    sign_bundle(bundle.path, trusting.private)
    (bundle.layout.model / "keywords.json").write_text("{}")
    with pytest.raises(BundleError, match=r"keywords.json' is not the file that was trained"):
        open_bundle(bundle.path)


def test_any_of_several_trusted_keys_will_do(bundle: Bundle, trusting: Keys, tmp_path: Path) -> None:
    new = Keys(tmp_path, "new")
    trusting.public.write_bytes(b"# the old key\n" + trusting.public.read_bytes() + new.public.read_bytes())
    sign_bundle(bundle.path, new.private)
    assert open_bundle(bundle.path).digest == bundle.digest


def test_what_this_process_writes_needs_no_signature(trusting: Keys, tmp_path: Path) -> None:
    assert plain_bundle(tmp_path / "new").path.is_dir()
    with pytest.raises(BundleError, match="is not signed"):
        open_bundle(tmp_path / "new")


def test_signing_twice_with_a_key_is_one_signature_and_with_another_is_refused(
    bundle: Bundle, keys: Keys, tmp_path: Path
) -> None:
    sign_bundle(bundle.path, keys.private)
    before = bundle.layout.signature.read_bytes()
    sign_bundle(bundle.path, keys.private)
    with pytest.raises(UsageError, match="is signed already, with another key"):
        sign_bundle(bundle.path, Keys(tmp_path, "new").private)
    assert bundle.layout.signature.read_bytes() == before


def test_a_changed_bundle_is_not_signed(bundle: Bundle, keys: Keys) -> None:
    (bundle.layout.model / "keywords.json").write_text("{}")
    with pytest.raises(BundleError):
        sign_bundle(bundle.path, keys.private)
    assert not bundle.layout.signature.exists()


def test_a_private_key_may_have_a_password(bundle: Bundle, tmp_path: Path) -> None:
    locked, open_ = Keys(tmp_path, "locked", "open sesame"), Keys(tmp_path, "open")
    with pytest.raises(UsageError, match="has a password; set it in COPYDESK_KEY_PASSWORD"):
        sign_bundle(bundle.path, locked.private)
    with pytest.raises(UsageError, match="or its password"):
        sign_bundle(bundle.path, locked.private, "open barley")
    with pytest.raises(UsageError, match="has no password, but one is set"):
        sign_bundle(bundle.path, open_.private, "open sesame")
    assert sign_bundle(bundle.path, locked.private, "open sesame").layout.signature.is_file()


def test_files_that_are_no_ed25519_keys_are_refused(bundle: Bundle, keys: Keys, tmp_path: Path) -> None:
    other = elliptic_key(SECP256R1())
    (tmp_path / "other.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wrong = {"other.pem": "is not an Ed25519 key", "ours.pub.pem": "is no private key", "none.pem": "cannot be read"}
    for name, message in wrong.items():
        with pytest.raises(UsageError, match=message):
            sign_bundle(bundle.path, tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "holds no public key, so that no bundle could be opened"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "a public key that cannot be read"),
        (
            elliptic_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "a public key that is not Ed25519",
        ),
    ],
)
def test_trusted_keys_that_cannot_be_read_open_nothing(
    bundle: Bundle, trusting: Keys, content: bytes | None, message: str
) -> None:
    sign_bundle(bundle.path, trusting.private)
    trusting.public.unlink()
    if content is not None:
        trusting.public.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        open_bundle(bundle.path)


def test_the_commands_sign_and_refuse(bundle: Bundle, keys: Keys, tmp_path: Path) -> None:
    asked = ["predict", str(bundle.path), "a b", "--trust", str(keys.public)]
    refused = RUN.invoke(app, asked)
    assert refused.exit_code == 1 and "is not signed" in refused.stderr
    signed = RUN.invoke(app, ["sign", str(bundle.path), "--key", str(keys.private)])
    assert signed.stdout == f"signed: {bundle.layout.signature}\n"
    assert RUN.invoke(app, asked).exit_code == 0
    assert TRUSTED_KEYS not in os.environ, "one command's trust is not the next one's"


def test_the_option_goes_before_the_environment(
    bundle: Bundle, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Keys(tmp_path, "theirs")
    sign_bundle(bundle.path, keys.private)
    monkeypatch.setenv(TRUSTED_KEYS, str(theirs.public))
    assert RUN.invoke(app, ["predict", str(bundle.path), "a b"]).exit_code == 1
    assert RUN.invoke(app, ["predict", str(bundle.path), "a b", "--trust", str(keys.public)]).exit_code == 0
    assert os.environ[TRUSTED_KEYS] == str(theirs.public)


def test_a_signature_is_copied_with_its_bundle_and_counts_as_no_file_of_it(bundle: Bundle, keys: Keys) -> None:
    before, files = bundle.members, bundle.layout.files()
    signed = sign_bundle(bundle.path, keys.private)
    assert signed.members == [*before[:-1], "manifest.json.sig", "manifest.json"]
    assert signed.layout.files() == files


def test_every_command_that_opens_a_bundle_can_be_told_whom_to_trust() -> None:
    import typer

    opening = {"MODEL", "LINEAR", "ENCODER"}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        named = {parameter.metavar for parameter in command.params if parameter.param_type_name == "argument"}
        if (named & opening) or name in ("promote", "register", "worker"):
            assert any("--trust" in parameter.opts for parameter in command.params), (
                f"copydesk {name} opens bundles: give it `trust: Trust = None` (cli/options.py)"
            )


def test_openssl_makes_keys_and_verifies_signatures(bundle: Bundle, tmp_path: Path) -> None:
    if not any((Path(folder) / "openssl").is_file() for folder in os.get_exec_path()):
        pytest.skip("openssl is not installed")

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    signed = sign_bundle(bundle.path, private).layout
    verified = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", signed.manifest]
    openssl(*verified, "-sigfile", signed.signature)
