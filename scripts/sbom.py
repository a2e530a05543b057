"""What is in here: every package that the daemon is served with, the vendored script and the model, as CycloneDX JSON.

python scripts/sbom.py OUT.json    write the bill of materials
python scripts/sbom.py --licences  print each licence; exit code 1 for one that is not allowed
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from license_expression import get_spdx_licensing
from packageurl import PackageURL
from packaging.markers import Marker

import hedged

ROOT = Path(__file__).resolve().parents[1]
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "PSF-2.0", "Zlib",
    "LicenseRef-Public-Domain",
}  # fmt: skip
COPYLEFT = {"certifi": {"MPL-2.0"}, "orjson": {"MPL-2.0"}}
"""Known and accepted by package: MPL-2.0 asks for the source of its own files alone, which are used unchanged."""
AS_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD, Public Domain": "BSD-2-Clause AND LicenseRef-Public-Domain",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL (Keccak: CC0 1.0 Universal)": "PSF-2.0 AND CC0-1.0",
    "Public Domain": "LicenseRef-Public-Domain",
    "Python Software Foundation License": "PSF-2.0",
}
VENDORED = {"echarts": ("hedged/page/assets/echarts.min.js", "Apache-2.0 AND BSD-3-Clause")}
MODEL = "hedged/forecast/shipped"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;]+)(?: ; (.+))?$")


def pins(lock: str = "requirements.lock") -> Iterator[tuple[str, str]]:
    """Name and version of what a lock installs on Linux."""
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        found = PIN.match(line.removesuffix(" \\"))
        if found and (found[3] is None or Marker(found[3]).evaluate(LINUX)):
            yield found[1], found[2]


def licence(name: str) -> str:
    """The SPDX expression of an installed package, as its metadata tell it; "" where they tell none that is known."""
    told = metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return str(expression)
    text = str(told.get("License") or "").strip().partition("\n")[0]
    classes = [
        one.rpartition("::")[2].strip()
        for one in told.get_all("Classifier") or ()
        if one.startswith("License")
    ]
    known = [AS_SPDX.get(one, "") for one in (text, *classes)]
    if text in ALLOWED | {"MPL-2.0"}:
        return text
    return next((one for one in known if one), "")


def refused(name: str, expression: str) -> str:
    """Why a licence is not allowed; "" where it is."""
    if not expression:
        return "no licence that is known: look at the package, and add it to AS_SPDX"
    parsed = get_spdx_licensing().parse(expression)
    strange = {str(one) for one in parsed.symbols} - ALLOWED - COPYLEFT.get(name, set())
    return f"{', '.join(sorted(strange))}: not allowed" if strange else ""


def sha256(path: Path) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())


def bill() -> Bom:
    """The whole bill of materials."""
    made, licences = Bom(), LicenseFactory()
    whole = Component(
        type=ComponentType.APPLICATION, name="hedged", version=hedged.__version__, bom_ref="hedged"
    )
    made.metadata.component = whole
    parts = []
    for name, version in pins():
        url = PackageURL("pypi", name=name.lower(), version=version)
        expression = licence(name)
        found = [licences.make_from_string(expression)] if expression else []
        parts.append(Component(name=name, version=version, purl=url, bom_ref=str(url), licenses=found))
    text = (ROOT / "scripts/vendor_echarts.sh").read_text(encoding="utf-8")
    for name, (file, expression) in VENDORED.items():
        version = re.search(r"ECHARTS_VERSION=(\S+)", text)[1]
        url = PackageURL("npm", name=name, version=version)
        parts.append(
            Component(
                name=name,
                version=version,
                purl=url,
                bom_ref=str(url),
                hashes=[sha256(ROOT / file)],
                licenses=[licences.make_from_string(expression)],
                properties=[Property(name="hedged:file", value=file)],
            )
        )
    for file in sorted((ROOT / MODEL).iterdir()):
        where = f"{MODEL}/{file.name}"
        parts.append(
            Component(
                type=ComponentType.MACHINE_LEARNING_MODEL if file.suffix == ".onnx" else ComponentType.DATA,
                name=where,
                version=hedged.__version__,
                bom_ref=where,
                hashes=[sha256(file)],
            )
        )
    for part in parts:
        made.components.add(part)
    made.register_dependency(whole, parts)
    return made


def main(argument: str) -> int:
    if argument == "--licences":
        wrong = 0
        for name, version in pins():
            expression = licence(name)
            why = refused(name, expression)
            note = why or ("copyleft of its own files, accepted" if name in COPYLEFT else "")
            print(f"{name} {version}: {expression or 'unknown'}{f' ({note})' if note else ''}")
            wrong += bool(why)
        return int(wrong > 0)
    out = Path(argument)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = bill()
    writer = make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6)
    writer.output_to_file(str(out), allow_overwrite=True, indent=2)
    print(f"{out}: {len(made.components)} components")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
