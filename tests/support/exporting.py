"""Everything an export needs on loopback: an index, a cache, a context, this Python's tools."""

from __future__ import annotations

import ensurepip
import functools
import io
import os
import platform
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import distribution
from pathlib import Path

from packaging.version import Version

from envbuild.ambient import Ambient
from envbuild.emit.bundle import Bundle
from envbuild.emit.export import export
from envbuild.emit.tools import Tool
from envbuild.fetch.artefact import Artefact
from envbuild.locking.canonical import PlatformLock
from envbuild.locking.context import Context
from envbuild.options import ExportOptions
from envbuild.platforms import Target, parse_platform
from tests.support.contexts import context_of, lock_of
from tests.support.index import Distribution, Index, wheel

__all__ = ["Site", "bundled_pip", "package", "rattler_wheel", "this_python"]


def this_python() -> str:
    """The release of the interpreter that runs the tests."""
    return platform.python_version()


def package(index: Index, file: Distribution, *, also: str = "") -> str:
    """An entry of a pylock for a file of ``index``."""
    kind = "wheels" if file.filename.endswith(".whl") else "sdist"
    row = (
        f'{{ url = "{index.file_url(file.filename)}", size = {len(file.data)}, '
        f'hashes = {{ sha256 = "{file.sha256}" }} }}'
    )
    source = f"wheels = [{row}]" if kind == "wheels" else f"sdist = {row}"
    return f'[[packages]]\nname = "{file.project}"\nversion = "{file.version}"\n{also}{source}\n\n'


def bundled_pip() -> Distribution:
    """The pip that comes with this Python."""
    folder = Path(ensurepip.__file__).parent / "_bundled"
    path = next(folder.glob("pip-*.whl"))
    version = path.name.split("-")[1]
    return Distribution(project="pip", version=version, filename=path.name, data=path.read_bytes())


@functools.cache
def rattler_wheel() -> Distribution:
    """The py-rattler of this environment as a wheel again, made of the files that it lists."""
    installed = distribution("py-rattler")
    tag = (installed.read_text("WHEEL") or "").partition("Tag: ")[2].split()[0]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in installed.files or ():
            if "__pycache__" not in path.parts and path.suffix != ".pyc":
                data = Path(str(path.locate())).read_bytes()
                archive.writestr(zipfile.ZipInfo(path.as_posix(), (1980, 1, 1, 0, 0, 0)), data)
    return Distribution(
        project="py-rattler",
        version=installed.version,
        filename=f"py_rattler-{installed.version}-{tag}.whl",
        data=stream.getvalue(),
    )


@dataclass(frozen=True, kw_only=True)
class Site:
    """A folder with a cache and contexts, beside an index that has the tools."""

    folder: Path
    index: Index

    def __post_init__(self) -> None:
        self.index.add(*self.tool_files())

    def tool_files(self) -> tuple[Distribution, ...]:
        return (bundled_pip(), wheel("setuptools", "80.0"), wheel("wheel", "0.45"))

    def ambient(self, environ: Mapping[str, str] | None = None) -> Ambient:
        known = {
            "PATH": os.environ["PATH"],
            "ENVBUILD_CACHE_DIR": str(self.cache),
            **(environ or {}),
        }
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Ambient(environ=known, home=home, cwd=self.folder)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def toolbox(self, python: Version, conda: str = "") -> tuple[Tool, ...]:
        del python
        files = (self.tool_files()[0], rattler_wheel()) if conda else self.tool_files()
        return tuple(
            Tool(
                name=file.project,
                version=file.version,
                file=file.filename,
                artefact=Artefact(
                    name=file.project,
                    url=self.index.file_url(file.filename),
                    sha256=file.sha256,
                    size=len(file.data),
                ),
            )
            for file in files
        )

    def lock(self, *entries: str) -> PlatformLock:
        """A lock for this machine and this Python."""
        machine = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]
        return lock_of("".join(entries), python=this_python(), platform=machine, glibc=(2, 17))

    def context(self, *entries: str, name: str = "context") -> Context:
        return context_of(self.folder / name, self.lock(*entries))

    def context_for(
        self,
        lock: PlatformLock,
        *,
        python: str = "",
        platform: str = "",
        name: str = "context",
    ) -> Context:
        """A context for another target with the packages of ``lock``."""
        target = Target(
            python=Version(python) if python else lock.target.python,
            platform=parse_platform(platform) if platform else lock.target.platform,
            glibc=lock.target.glibc,
        )
        return context_of(self.folder / name, replace(lock, target=target))

    def export(
        self,
        context: Context,
        output: str = "bundle",
        *,
        environ: Mapping[str, str] | None = None,
        options: ExportOptions | None = None,
    ) -> Bundle:
        return export(
            context,
            self.folder / output,
            ambient=self.ambient(environ),
            options=options or ExportOptions(python_exe=sys.executable),
            toolbox=self.toolbox,
        )
