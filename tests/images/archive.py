"""What an image is, read from its OCI archive: configuration, and what its layers hold.

`python -m tests.images.archive DIRECTORY` prints the sizes of the images in it: uncompressed, what their layers unpack
to; compressed, what a node pulls.
"""

import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MB = 1_000_000
_CAPABILITY = "SCHILY.xattr.security.capability"


@dataclass(frozen=True)
class Image:
    """`name` is what an import calls it; `files` are the paths of all files, without a slash in front, and their modes;
    `capable` those that carry capabilities. Sizes are bytes.
    """

    name: str
    config: dict[str, Any]
    files: dict[str, int]
    capable: frozenset[str]
    uncompressed: int
    compressed: int


def read(path: Path) -> Image:
    """The image of an archive. Raises OSError, KeyError."""
    files: dict[str, int] = {}
    capable: set[str] = set()
    uncompressed = compressed = 0
    with tarfile.open(path) as archive:

        def blob(digest: str) -> Any:
            return archive.extractfile("blobs/" + digest.replace(":", "/"))

        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
        (entry,) = index["manifests"]
        manifest = json.load(blob(entry["digest"]))
        config = json.load(blob(manifest["config"]["digest"]))
        for layer in manifest["layers"]:
            compressed += layer["size"]
            with tarfile.open(fileobj=blob(layer["digest"])) as tar:
                for member in tar:
                    name = member.name.removeprefix("./")
                    if not member.isdir():
                        files[name] = member.mode
                    uncompressed += member.size
                    if _CAPABILITY in member.pax_headers:
                        capable.add(name)
    name = entry["annotations"]["org.opencontainers.image.ref.name"]
    return Image(name, config, files, frozenset(capable), uncompressed, compressed)


if __name__ == "__main__":
    print("image     uncompressed  compressed")
    for path in sorted(Path(sys.argv[1]).glob("outrider-*.tar")):
        image = read(path)
        target = path.stem.removeprefix("outrider-")
        print(f"{target:<9} {image.uncompressed / MB:>9.1f} MB {image.compressed / MB:>8.1f} MB")
