"""A context into a bundle: every wheel of its locks, fetched or built, and what installs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild import __version__
from envbuild.ambient import Ambient
from envbuild.build.builder import Bench, CachedBuilder
from envbuild.build.docker import DockerBench, builder_image
from envbuild.build.interface import Builder
from envbuild.build.local import LocalBench
from envbuild.build.pins import PinResolver
from envbuild.build.sources import SourceTrees
from envbuild.emit.archive import archive_suffix, read_member, write, write_parts
from envbuild.emit.bundle import MANIFEST, SUMS, Bundle, parse_manifest, read_bundle
from envbuild.emit.channel import artefacts
from envbuild.emit.conda_files import explicit_name
from envbuild.emit.conda_part import CondaPart
from envbuild.emit.content import Content, Entry, checksums, model_files
from envbuild.emit.delta import DELTA, delta_of, read_sums
from envbuild.emit.lockfiles import requirements_name
from envbuild.emit.manifest import (
    index_pages,
    local_pylock,
    local_requirements,
    platform_entry,
    render_manifest,
    tool_requirements,
)
from envbuild.emit.programs import program_files
from envbuild.emit.selection import select
from envbuild.emit.tools import Tool, Toolbox, locate, seeded, tools_for
from envbuild.emit.wheelhouse import BuildClock, HousedWheel, house
from envbuild.errors import (
    EnvbuildError,
    LockFileError,
    OutputError,
    UsageError,
)
from envbuild.fetch.cache import ArtefactCache
from envbuild.fetch.credentials import CredentialStore, split_credentials, split_token
from envbuild.fetch.download import Artefact, Downloader
from envbuild.fetch.transport import Transport, with_login
from envbuild.images import glibc_floor
from envbuild.locking.canonical import FILES, PlatformLock
from envbuild.locking.context import Context
from envbuild.locking.header import lock_name
from envbuild.options import ExportOptions
from envbuild.process import Runner, run
from envbuild.redact import without_userinfo
from envbuild.reporter import SILENT, Reporter
from envbuild.resolve.conda.channels import expanded

__all__ = ["bundle_content", "export"]


def export(
    context: Context,
    output: Path,
    *,
    ambient: Ambient,
    runner: Runner = run,
    progress: Reporter = SILENT,
    options: ExportOptions | None = None,
    toolbox: Toolbox = tools_for,
) -> Bundle:
    """Write the bundle of ``context`` to ``output``: a folder, or an archive by its suffix.

    With ``options.diff`` only what that bundle lacks, with ``options.split`` an archive in parts.

    Nothing is resolved: the lock says what, and every byte is checked against it. What is in the
    cache is not fetched or built again. An older bundle at ``output`` is replaced in one step.

    Raises:
        UsageError: a platform that the context has no lock for.
        LockFileError: a lock without an artefact for its own target.
        IndexUnavailableError, IntegrityError: see ``Downloader.fetch_all``.
        BuildError: what has no wheel could not be built.
        OutputError: ``output`` cannot be written, or is something else than a bundle.
    """
    options = options or ExportOptions()
    _refuse_other(output, context)
    content = bundle_content(
        context,
        ambient=ambient,
        runner=runner,
        progress=progress,
        options=options,
        toolbox=toolbox,
    )
    written = delta_of(content, read_sums(options.diff)) if options.diff else content
    if options.split:
        write_parts(written, output, options.split, reporter=progress)
    else:
        write(written, output, reporter=progress)
    return parse_manifest(content[MANIFEST].data, path=output)


def bundle_content(
    context: Context,
    *,
    ambient: Ambient,
    runner: Runner = run,
    progress: Reporter = SILENT,
    options: ExportOptions,
    toolbox: Toolbox = tools_for,
) -> Content:
    """Every file of the bundle of ``context``, fetched and built, but not written yet.

    Raises:
        EnvbuildError: as ``export``, but for the output.
    """
    downloader = _downloader(ambient, runner, options)
    exporter = _Exporter(
        context=context,
        locks=_wanted(context, options),
        options=options,
        downloader=downloader,
        builder=_builder(context, downloader, ambient=ambient, runner=runner, options=options),
        reporter=progress,
        toolbox=toolbox,
    )
    return exporter.content()


def _wanted(context: Context, options: ExportOptions) -> Mapping[str, PlatformLock]:
    missing = [name for name in options.platforms if name not in context.locks]
    if missing:
        raise UsageError(
            f"the context has no lock for {', '.join(missing)}",
            details=(f"it has: {', '.join(sorted(context.locks))}",),
            remedy="envbuild lock --platform",
        )
    names = options.platforms or tuple(context.locks)
    return {name: context.locks[name] for name in sorted(names)}


def _refuse_other(output: Path, context: Context) -> None:
    """Refuse to write over anything but an older bundle, or into the context."""
    if output.absolute() == context.path.absolute():
        raise OutputError(
            "the bundle would replace its own context", where=str(output), remedy="-o"
        )
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        if archive_suffix(output):
            parse_manifest(read_member(output, MANIFEST), path=output)
        elif not (output / DELTA).is_file():
            read_bundle(output)
    except EnvbuildError as error:
        raise OutputError(
            "it exists and is not an envbuild bundle",
            where=str(output),
            remedy="another name with -o",
        ) from error


def _downloader(ambient: Ambient, runner: Runner, options: ExportOptions) -> Downloader:
    channels = [expanded(url, ambient.environ) for url in options.channels]
    addresses = (options.index_url, *options.extra_index_urls, *channels)
    credentials = CredentialStore.of(ambient, filter(None, addresses), runner=runner)
    tokens = [split_credentials(url)[0] for url in channels if split_token(url)[1]]
    return Downloader(
        cache=ArtefactCache.of(ambient),
        transport=Transport(
            environ=ambient.environ, credentials=credentials, secret_urls=tuple(tokens)
        ),
        connections=options.connections,
        offline=options.offline,
    )


def _builder(
    context: Context,
    downloader: Downloader,
    *,
    ambient: Ambient,
    runner: Runner,
    options: ExportOptions,
) -> Builder:
    folder = ambient.cache_root() / "builds"
    sources = SourceTrees(
        cache=downloader.cache,
        repositories=ambient.cache_root() / "git",
        ambient=ambient,
        runner=runner,
        credentials=downloader.transport.credentials,
    )
    pins = PinResolver(
        ambient=ambient,
        runner=runner,
        downloader=downloader,
        folder=folder / "pins",
        indexes=_with_logins(_indexes(context.locks, options), downloader.transport),
        constraints="".join(path.read_text("utf-8") for path in options.build_constraints),
    )
    bench: Bench
    if options.builder == "docker":
        image = options.builder_image or builder_image(context.base_image)
        bench = DockerBench(sources=sources, pins=pins, ambient=ambient, image=image)
    else:
        bench = LocalBench(
            sources=sources,
            pins=pins,
            ambient=ambient,
            runner=runner,
            python_exe=options.python_exe,
        )
    return CachedBuilder(
        bench=bench,
        folder=folder,
        cache=downloader.cache,
        image_glibc=glibc_floor(context.base_image),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exporter:
    context: Context
    locks: Mapping[str, PlatformLock]
    options: ExportOptions
    downloader: Downloader
    builder: Builder
    reporter: Reporter
    toolbox: Toolbox

    def content(self) -> Content:
        """Every file of the bundle."""
        tools = self._tools()
        housed, fetched = house(
            {
                lock.target: select(
                    lock, context=self.context.path, lock_name=lock_name(name, self.context.locks)
                )
                for name, lock in self.locks.items()
            },
            downloader=self.downloader,
            builder=self.builder,
            extra=[
                *(tool.artefact for tool in self._located(tools)),
                *artefacts(self.locks.values()),
            ],
            clock=BuildClock.of(self.context.locks.values()),
            reporter=self.reporter,
        )
        wheels = {name: housed[lock.target] for name, lock in self.locks.items()}
        conda = CondaPart.of(self.locks, wheels, fetched)
        content: dict[str, Entry] = dict(_carried(self.context))
        content |= conda.files(content)
        content |= self._requirement_files(wheels)
        content |= self._lock_files(wheels, content)
        content |= _wheel_files(wheels)
        for tool in tools:
            content[f"tools/{tool.file}"] = _cached(fetched[tool.artefact.sha256], tool.artefact)
        content |= program_files(self.locks)
        if self.options.model is not None:
            files = model_files(self.options.model)
            content |= {name: Entry.of_file(path) for name, path in files}
        content[MANIFEST] = self._manifest(wheels, tools, conda)
        content[SUMS] = checksums(content)
        return content

    def _tools(self) -> tuple[Tool, ...]:
        by_file: dict[str, Tool] = {}
        for lock in self.locks.values():
            by_file |= {tool.file: tool for tool in self._tools_of(lock)}
        return tuple(by_file[file] for file in sorted(by_file))

    def _tools_of(self, lock: PlatformLock) -> tuple[Tool, ...]:
        return self.toolbox(lock.target.python, lock.target.platform.name if lock.conda else "")

    def _located(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """The tools at the addresses of the user's indexes, if they are to be fetched at all.

        Only for fetching: the manifest must not depend on what the cache has.
        """
        cache = self.downloader.cache
        known = all(cache.path(tool.artefact.sha256).exists() for tool in tools)
        if known or self.options.offline:
            return tools
        indexes = [without_userinfo(url) for url in _indexes(self.locks, self.options)]
        return locate(tools, indexes, self.downloader.transport)

    def _requirement_files(
        self, wheels: Mapping[str, tuple[HousedWheel, ...]]
    ) -> Mapping[str, Entry]:
        texts = index_pages(wheel for group in wheels.values() for wheel in group)
        for name, lock in self.locks.items():
            python = lock.target.python
            beside = seeded(
                self._tools_of(lock), python=python, locked=[wheel.name for wheel in wheels[name]]
            )
            requirements = requirements_name(name, self.context.locks)
            texts[requirements] = local_requirements(wheels[name])
            if lock.conda:
                continue
            texts[f"tools/{requirements}"] = tool_requirements(beside)
        return {name: Entry.of_bytes(text) for name, text in texts.items()}

    def _lock_files(
        self, wheels: Mapping[str, tuple[HousedWheel, ...]], content: Content
    ) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        for name, lock in self.locks.items():
            header = self.context.headers[name]
            local = replace(
                header,
                platforms=tuple(self.locks),
                to_build=(),
                files={
                    file: content[file].sha256 for file in sorted(header.files) if file in content
                },
            )
            text = local_pylock(local, lock.pylock, wheels[name])
            entries[lock_name(name, self.context.locks)] = Entry.of_bytes(text)
        return entries

    def _manifest(
        self,
        wheels: Mapping[str, tuple[HousedWheel, ...]],
        carried: Sequence[Tool],
        conda: CondaPart,
    ) -> Entry:
        platforms = []
        for name, lock in self.locks.items():
            requirements = requirements_name(name, self.context.locks)
            tools = {tool.name: tool.file for tool in self._tools_of(lock)}
            names = {
                "lock": lock_name(name, self.context.locks),
                "requirements": requirements,
                "pip": tools["pip"],
            }
            if lock.conda:
                names |= {"explicit": explicit_name(name), "rattler": tools["py-rattler"]}
            else:
                names["tools"] = f"tools/{requirements}"
            platforms.append(platform_entry(lock, wheels[name], names=names))
        return Entry.of_bytes(
            render_manifest(
                self.context,
                wheels,
                platforms=platforms,
                tools=carried,
                conda=conda.entries,
                version=__version__,
            )
        )


def _carried(context: Context) -> Iterator[tuple[str, Entry]]:
    """The context's own files, as its locks list them, without those that are written anew.

    What came from the model itself is in the bundle as wheels.
    """
    root = context.path.resolve()
    names = {name for header in context.headers.values() for name in header.files}
    for name in sorted(names):
        path = context.path / name
        anew = name.startswith((f"{FILES}/", "requirements."))
        if not anew and path.is_file() and path.resolve().is_relative_to(root):
            yield name, Entry.of_bytes(path.read_bytes())


def _wheel_files(wheels: Mapping[str, tuple[HousedWheel, ...]]) -> Mapping[str, Entry]:
    entries: dict[str, Entry] = {}
    for wheel in (wheel for group in wheels.values() for wheel in group):
        name = f"wheels/{wheel.file}"
        if name in entries and entries[name].sha256 != wheel.sha256:
            raise LockFileError(
                f"two platforms have different files called {wheel.file}",
                remedy="one bundle for each platform: envbuild export --platform",
            )
        entries[name] = Entry.of_cached(wheel.path, wheel.sha256, wheel.size)
    return entries


def _cached(path: Path, artefact: Artefact) -> Entry:
    return Entry.of_cached(path, artefact.sha256, path.stat().st_size)


def _with_logins(indexes: Sequence[str], transport: Transport) -> tuple[str, ...]:
    """The addresses with the user's credentials, for uv, which is kept from the user's netrc."""
    store = transport.credentials
    logins = {url: store.for_url(url) for url in indexes} if store else {}
    return tuple(with_login(url, login) if (login := logins.get(url)) else url for url in indexes)


def _indexes(locks: Mapping[str, PlatformLock], options: ExportOptions) -> tuple[str, ...]:
    """The indexes to ask: the user's, else those that the locked packages are from."""
    if options.index_url or options.extra_index_urls:
        return tuple(url for url in (options.index_url, *options.extra_index_urls) if url)
    named: dict[str, None] = {}
    for lock in locks.values():
        named |= {package.index: None for package in lock.pylock.packages if package.index}
    return tuple(named)
