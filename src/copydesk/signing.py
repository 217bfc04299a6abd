"""Who made a bundle: an Ed25519 signature (RFC 8032) over the bytes of its manifest, which holds every file's SHA-256.

Off unless COPYDESK_TRUSTED_KEYS, or `--trust`, names a file of public keys; then nothing of a bundle is read before one
of them is found to have signed it. The signature file holds the 64 bytes themselves, so that OpenSSL reads it too. It
does not say that a bundle is the newest, nor that it is the one somebody meant.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from copydesk.errors import MissingExtra, Untrusted, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TRUSTED_KEYS = "COPYDESK_TRUSTED_KEYS"
KEY_PASSWORD = "COPYDESK_KEY_PASSWORD"  # noqa: S105 (a variable's name)
SIGNATURE_BYTES = 64
_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_MAKE_A_KEY = "Make one: openssl genpkey -algorithm ed25519 -out FILE"


def trusted_keys_file() -> Path | None:
    """Return the file of the public keys whose bundles may be opened; None where any may."""
    named = os.environ.get(TRUSTED_KEYS)
    return Path(named) if named else None


def signature_of(content: bytes, key: Path, password: str | None = None) -> bytes:
    """Return the 64 bytes that sign some content. Raises `UsageError` for a file that is no Ed25519 private key."""
    return _private_key(key, password).sign(content)


def require_signed(content: bytes, signature: bytes | None, where: str | Path) -> None:
    """Raise `Untrusted` if keys are trusted and none of them signed the content, a manifest read from `where`.

    Raises `UsageError` if the file of trusted keys cannot be read or holds none: then nothing is trusted.
    """
    file = trusted_keys_file()
    if file is None:
        return
    keys = _public_keys(file)
    if signature is None:
        raise Untrusted(
            f"'{where}' is not signed, and only bundles signed by a key of '{file}' are opened here. "
            "Whoever made it signs it: copydesk sign BUNDLE --key FILE"
        )
    if not any(is_signed_by(key, signature, content) for key in keys):
        raise Untrusted(
            f"'{where}' is signed by no key of '{file}', or was changed after it was signed. Nothing of it was read."
        )


def is_signed_by(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    """Tell whether the owner of a key signed the content."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _private_key(file: Path, password: str | None) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ModuleNotFoundError:
        raise MissingExtra("Signing a bundle", "sign", "cryptography") from None
    try:
        key = load_pem_private_key(_bytes_of(file, "private"), password.encode() if password else None)
    except TypeError:  # a password that is missing, or that nobody asked for
        expected = "has no password, but one is set in" if password else "has a password; set it in"
        raise UsageError(f"The private key '{file}' {expected} {KEY_PASSWORD}.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"'{file}' is no private key in PEM form, or its password ({KEY_PASSWORD}) is another. {_MAKE_A_KEY}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"'{file}' is not an Ed25519 key. {_MAKE_A_KEY}")
    return key


def _public_keys(file: Path) -> list[Ed25519PublicKey]:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ModuleNotFoundError:
        raise MissingExtra("Verifying a bundle's signature", "sign", "cryptography") from None
    keys = []
    for written in _PUBLIC_KEY.findall(_bytes_of(file, "trusted")):
        try:
            key = load_pem_public_key(written)
        except (ValueError, UnsupportedAlgorithm):
            raise UsageError(f"'{file}' holds a public key that cannot be read. Take it out.") from None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(f"'{file}' holds a public key that is not Ed25519. Take it out.")
        keys.append(key)
    if not keys:
        raise UsageError(
            f"'{file}' holds no public key, so that no bundle could be opened. "
            "Write one: openssl pkey -in PRIVATE -pubout -out FILE"
        )
    return keys


def _bytes_of(file: Path, which: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"The file of {which} keys '{file}' cannot be read: {error.strerror or error}.") from None
