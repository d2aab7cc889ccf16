"""Makes the tarballs of a small module, as meson dist would: the same input gives the same bytes."""

import io
import lzma
import tarfile

NAME = "hello-gnome"
_EPOCH = 1_700_000_000

_NEWS = {
    "48.0": "Changes in 48.0\n===============\n\n* The first release\n* Says hello\n* Translated into German\n",
    "48.1": "Changes in 48.1\n===============\n\n* Says hello to everybody\n* Survives goodbye\n* New: French\n\n",
}
_CHANGELOG = {
    "48.0": "commit 1\n\n    Say hello\n\n    Because somebody should.\n",
    "48.1": "commit 2\n\n    Say hello to everybody\n\n    One was too few.\n\n",
}
VERSIONS = tuple(_NEWS)


def tarball(version: str) -> tuple[str, bytes]:
    """Return the file name and the bytes of hello-gnome at *version*, one of VERSIONS."""
    upto = VERSIONS[: VERSIONS.index(version) + 1]
    files = {
        "NEWS": "".join(_NEWS[v] for v in reversed(upto)),
        "ChangeLog": "".join(_CHANGELOG[v] for v in reversed(upto)),
        "README.md": "# Hello\n",
        "meson.build": f"project('{NAME}', 'c', version: '{version}')\nexecutable('hello', 'src/hello.c')\n",
        "src/hello.c": '#include <stdio.h>\n\nint main(void)\n{\n  puts("Hello, GNOME");\n  return 0;\n}\n',
        "po/LINGUAS": "de\nfr\n",
    }
    return f"{NAME}-{version}.tar.xz", lzma.compress(_tar(f"{NAME}-{version}", files))


def _tar(top: str, files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size, member.mtime, member.mode = len(content), _EPOCH, 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
