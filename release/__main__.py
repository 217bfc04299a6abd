"""A release, tried: everything but the upload. `python -m release [--quick] [--tag v1.2.3]`, `make release`.

It refuses a checkout that is none; builds wheel and sdist twice and compares them; looks into them; writes bills of
materials; audits; installs every extra and tries it; and prints what the workflow would upload. Nothing leaves this
machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from release import packages
from release.extras import INSTALLED, Installed, install, try_all
from release.packages import ROOT
from release.ready import Checkout, checkout, faults_of, faults_of_folder
from release.sbom import bill_of, summary

ALL = ("data", "serve", "registry", "client", "monitor", "cloud", "scale", "train", "minilm", "sign", "wandb")
"""What a user can install; `bench` and `dev` are for those who work on Copydesk."""


def main() -> None:
    """Go through the steps; the first that fails ends it with 1 and a line."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--tag", help="the tag that was pushed; the workflow gives it")
    parser.add_argument("--quick", action="store_true", help="only the small extras, and no bill of all of them")
    parser.add_argument("--offline", action="store_true", help="do not ask about vulnerabilities of dependencies")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    found = checkout()
    _stop([*faults_of(found, tag=options.tag, dated=options.tag is not None), *faults_of_folder(options.out)])
    with tempfile.TemporaryDirectory(prefix="copydesk-release-") as name:
        folder = Path(name)
        wheel, sdist = _built(found, folder)
        _audited(offline=options.offline)
        chosen = [one for one in INSTALLED if one.quick or not options.quick]
        bills = _tried(found, wheel, folder, chosen, everything=not options.quick)
        _kept(options.out, wheel, sdist, bills)
    _told(found, options.out)


def _stop(faults: list[str]) -> None:
    if faults:
        sys.exit("\n".join(f"release: {fault}" for fault in faults))


def _built(found: Checkout, folder: Path) -> tuple[Path, Path]:
    """Build twice, and once more without the sdist between; what differs ends the release."""
    epoch, tracked = found.committed_at, packages.tracked_files()
    (wheel, sdist), again = (packages.build(folder / name, epoch=epoch) for name in ("first", "second"))
    direct = packages.build_wheel(folder / "direct", epoch=epoch)
    first = [packages.digest(file) for file in (wheel, sdist)]
    faults = [] if first == [packages.digest(file) for file in again] else ["two builds of one checkout differ"]
    if packages.digest(direct) != first[0]:
        faults.append("the wheel from the sdist is not the wheel from the checkout")
    faults += packages.faults_of_wheel(packages.names_in(wheel), tracked)
    faults += packages.faults_of_sdist(packages.names_in(sdist), tracked)
    faults += _metadata_faults(wheel, sdist, found)
    _stop(faults)
    for file in (wheel, sdist):
        print(f"{file.name}: {len(packages.names_in(file))} files, {file.stat().st_size / 1e6:.2f} MB")
    print("built twice, equal; the wheel from the sdist is the one from the checkout")
    return wheel, sdist


def _metadata_faults(wheel: Path, sdist: Path, found: Checkout) -> list[str]:
    """Return what an index would refuse, or show wrongly, of the metadata."""
    from packaging.metadata import Metadata

    name = next(name for name in packages.names_in(wheel) if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as files:
        content = files.read(name)
    metadata = Metadata.from_email(content)  # raises for what PyPI refuses
    with tarfile.open(sdist) as archive:
        own = archive.extractfile(f"copydesk-{found.version}/PKG-INFO")
        same = own is not None and own.read() == content
    faults = [] if same else ["wheel and sdist differ in their metadata"]
    if str(metadata.version) != found.version:
        faults.append(f"the wheel says it is {metadata.version}, and the sources {found.version}")
    if metadata.description_content_type != "text/markdown" or not (metadata.description or "").startswith(
        "# Copydesk"
    ):
        faults.append("the wheel's description is not the README")
    return faults


def _audited(*, offline: bool) -> None:
    command = [sys.executable, "-m", "release.audit", *(["--offline"] if offline else [])]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    _stop(["the audit found something"] if code == 1 else [])
    if code:
        print("release: go on, but do not publish before the dependencies were checked (the workflow does it).")


def _tried(
    found: Checkout, wheel: Path, folder: Path, chosen: list[Installed], *, everything: bool
) -> dict[str, dict[str, object]]:
    """Try every extra; return the bills of materials of the serving install and of all there is."""
    outcomes = try_all(wheel, chosen, folder, keep=("serve", "train"))
    _stop([f"the extra {outcome.name} does not work" for outcome in outcomes if outcome.fault])
    places = {"serve": folder / "environments" / "serve"}
    if everything:
        places["all"] = folder / "environments" / "train"
        install(wheel, ALL, places["all"])
    bills = {name: bill_of(place, found.version, epoch=found.committed_at) for name, place in places.items()}
    for name, bill in bills.items():
        print(f"bill of materials ({name}): {summary(bill)}")
    return bills


def _kept(out: Path, wheel: Path, sdist: Path, bills: dict[str, dict[str, object]]) -> None:
    """Put what is published, and nothing else, into the folder."""
    shutil.rmtree(out, ignore_errors=True)  # `faults_of_folder` has found nothing else in it
    out.mkdir(parents=True)
    for file in (wheel, sdist):
        shutil.copy(file, out)
    for name, bill in bills.items():
        (out / f"copydesk-{name}.cdx.json").write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n", "utf-8")


def _told(found: Checkout, out: Path) -> None:
    print(f"\nNothing was uploaded. The tag {found.tag} would publish:")
    for file in sorted(out.iterdir()):
        print(f"  {file.name}  {file.stat().st_size / 1e6:.2f} MB  sha256 {packages.digest(file)}")
    print(f"\n  git tag {found.tag} && git push origin {found.tag}")


if __name__ == "__main__":
    main()
