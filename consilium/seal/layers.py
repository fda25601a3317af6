"""What a package consists of: the part that was sealed, and the layers that renewal added, each with its timestamp.

Layer 0 is the package as it was sealed; its token covers the manifest's signature. Layer NNN is
`evidence-NNN/`, `META-INF/ASiCArchiveManifestNNN.xml` that lists every file before it, and
`META-INF/archive-timestamp-NNN.tst` over that list. Nothing else may ever be added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from consilium.seal.errors import PackageRefused

__all__ = [
    "MANIFEST",
    "MANIFEST_SIGNATURE",
    "MANIFEST_TOKEN",
    "Layer",
    "evidence_of",
    "layer_of",
    "layers_of",
    "named",
    "require_tokens",
    "token_of",
]

MANIFEST = "META-INF/ASiCManifest.xml"
MANIFEST_SIGNATURE = "META-INF/signature.p7s"
MANIFEST_TOKEN = "META-INF/signature.tst"  # noqa: S105  # a timestamp token, not a secret
LATER = re.compile(r"(?:evidence-|META-INF/ASiCArchiveManifest|META-INF/archive-timestamp-)([0-9]{3})")
LAYERS = 99
# What came with timestamps and is nowhere without them: a package cannot shed its timestamps and keep its policy.
STAMPED = ("evidence/tst/", "evidence/ocsp/", "report/", "document.pdf", "journal.json")


@dataclass(frozen=True, slots=True)
class Layer:
    """One timestamp of the whole: its number, the names of its token, of what that covers, of its instructions."""

    number: int
    token: str
    covered: str
    instructions: str

    @property
    def evidence(self) -> str:
        """The folder of what was gathered for this layer."""
        return f"evidence-{self.number:03d}/" if self.number else "evidence/"


def layer_of(number: int) -> Layer:
    """The names of a layer's files."""
    if not 0 <= number <= LAYERS:
        raise PackageRefused("PACKAGE_TOO_LARGE")
    if number == 0:
        return Layer(0, MANIFEST_TOKEN, MANIFEST_SIGNATURE, "VERIFY.txt")
    return Layer(
        number,
        f"META-INF/archive-timestamp-{number:03d}.tst",
        f"META-INF/ASiCArchiveManifest{number:03d}.xml",
        f"evidence-{number:03d}/VERIFY.txt",
    )


def named(name: str) -> int:
    """The number of the layer a file belongs to; 0 for what was sealed."""
    found = LATER.match(name)
    return int(found[1]) if found else 0


def layers_of(members: Mapping[str, bytes]) -> tuple[Layer, ...]:
    """The layers, oldest first; none in a package of the first layout, which has no timestamp.

    Raises PackageRefused when a layer lacks a part or a number is left out.
    """
    numbers = {named(name) for name in members}
    if MANIFEST_TOKEN not in members:
        if numbers != {0} or any(name.startswith(STAMPED) or name in STAMPED for name in members):
            raise PackageRefused("PACKAGE_MISSING", name=MANIFEST_TOKEN)
        return ()
    layers = tuple(layer_of(number) for number in range(max(numbers) + 1))
    for layer in layers:
        for name in (layer.token, layer.covered, layer.instructions):
            if name not in members:
                raise PackageRefused("PACKAGE_MISSING", name=name)
    return layers


def require_tokens(members: Mapping[str, bytes]) -> None:
    """A timestamp for every signature and for nothing else. Raises PackageRefused."""
    stamped = {name for name in members if name.startswith("evidence/tst/")}
    wanted = {token_of(name) for name in members if name.endswith(".sig")}
    for name in sorted(stamped ^ wanted):
        raise PackageRefused("PACKAGE_MISSING" if name in wanted else "PACKAGE_NAME", name=name)


def token_of(signature: str) -> str:
    """The timestamp of a signature file, by name."""
    folder, _, name = signature.removesuffix(".sig").rpartition("/")
    return f"evidence/tst/{'dissent-' if folder == 'dissent' else ''}{name}.tst"


def evidence_of(members: Mapping[str, bytes], upto: int, ending: str) -> list[str]:
    """Files of evidence with that ending, of all layers up to that number, in order."""
    folders = tuple(layer_of(number).evidence for number in range(upto + 1))
    return sorted(
        (name for name in members if name.startswith(folders) and name.endswith(ending)),
        key=lambda name: (named(name), name),
    )
