"""Build the image of a context or bundle: ``docker build`` through the API of the engine."""

from __future__ import annotations

import errno
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import IO, TYPE_CHECKING, Any

from envbuild.ambient import Ambient
from envbuild.emit.archive import archive_suffix, extract
from envbuild.emit.bundle import MANIFEST, Bundle, check_files
from envbuild.emit.content import model_files
from envbuild.emit.dockerfile import MODEL_FOLDER
from envbuild.errors import ImageError, OutputError, UsageError
from envbuild.image.engine import connect, engine_errors, has_image
from envbuild.image.remedies import push_remedy_for, remedy_for
from envbuild.images import glibc_floor
from envbuild.locking.context import Context, read_context
from envbuild.platforms import PLATFORMS, parse_platform
from envbuild.redact import redact
from envbuild.reporter import SILENT, Reporter

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["BuildOptions", "ImageResult", "Layer", "build", "push"]

_LOG_LINES = 60
_SHOWN = 72  # characters of an instruction
# The classic builder prints errors in red, and between a step's own lines what it does itself.
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_CHATTER = re.compile(r"\s*|( --->|-->|Removing intermediate container) .*")
_STEP = re.compile(r"(\[\d+/\d+\] )?step \d+/\d+ ?: ", re.IGNORECASE)  # of Docker, of Podman
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
# The grammar of github.com/distribution/reference.
_TAG = re.compile(
    rf"(?:(?:[A-Za-z0-9.-]+|\[[A-Fa-f0-9:]+\])(?::\d+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::\w[\w.-]{0,127})?",
    re.ASCII,
)
_MODEL = "model"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MORE_ROOM = "TMPDIR with a folder that has room for the bundle and the model"
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
# Where the Dockerfile puts what.
_PARTS = (
    ("environment", re.compile(r"/opt/v?env/?\b")),
    ("model", re.compile(rf" {MODEL_FOLDER}/?(?: |$)")),
    ("script", re.compile(r"(?:in|COPY) .*/app/?(?: |$)")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """Every choice of ``envbuild build``.

    ``offline`` gives the build no network, which takes a bundle; ``model`` is the folder of the
    model that becomes part of the image; ``platform`` one of the lock's, the engine's by default.
    """

    offline: bool = False
    base_image: str = ""
    model: Path | None = None
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer with the instruction that made it; ``size`` in bytes."""

    size: int
    instruction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """A built image: ``id`` is its digest, ``size`` in bytes, ``layers`` from the base upwards.

    ``bill`` is the size by what it is for: the base image, the environment, the script, the model,
    and ``other`` for the user's home.
    """

    id: str
    tag: str
    size: int
    layers: tuple[Layer, ...]
    bill: Mapping[str, int]


def build(
    source: Context | Bundle | Path,
    tag: str,
    *,
    ambient: Ambient,
    options: BuildOptions | None = None,
    progress: Reporter = SILENT,
    client: DockerClient | None = None,
) -> ImageResult:
    """Build the image of a context or bundle and call it ``tag``.

    The Dockerfile is that of ``source``; a bundle is checked before anything of it is used.

    Raises:
        UsageError: ``tag`` is no name, ``offline`` without a bundle, or a model beside the one of
            the bundle.
        LockFileError: ``source`` is neither context nor bundle.
        IntegrityError: a bundle that is not as it was made.
        MissingExtraError: docker-py is not installed.
        ImageError: no engine answers, the base image is missing, or a step failed, with its log.
        OutputError: no room for what is sent to the engine.
        RuntimeUnsupportedError: a base image without glibc.
    """
    options = options or BuildOptions()
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"{tag!r} is no name for an image",
            where="--tag",
            remedy="one such as registry.example/team/model:1, in lower case before the colon",
        )
    with _unpacked(source) as folder:
        context = read_context(folder)
        _refuse(folder, options)
        if (folder / MANIFEST).is_file():
            progress.step("checking the bundle")
            check_files(folder)
        client = client or connect(ambient.environ)
        _check_engine(client, context, options)
        with _archive(folder, options.model) as archive:
            arguments = _arguments(folder, context, options)
            base = options.base_image or context.base_image
            image = _build(client, archive, tag, arguments, base=base, progress=progress)
        return _describe(client, image, tag, base=base)


def push(
    tag: str,
    *,
    ambient: Ambient,
    progress: Reporter = SILENT,
    client: DockerClient | None = None,
) -> str:
    """Push ``tag`` with the credentials that ``docker login`` left; the digest in the registry.

    Raises:
        MissingExtraError: docker-py is not installed.
        ImageError: no engine answers, or the registry refuses.
    """
    client = client or connect(ambient.environ)
    digest = ""
    with engine_errors(f"cannot push {tag}"):
        for event in client.images.push(tag, stream=True, decode=True):
            if "error" in event:
                said = str(event["error"])
                remedy = push_remedy_for(said, tag=tag)
                raise ImageError(f"cannot push {tag}", details=(redact(said),), remedy=remedy)
            digest = event.get("aux", {}).get("Digest", digest)
            if status := event.get("status"):
                progress.step(f"pushing {tag}: {status}")
    return digest


@contextmanager
def _unpacked(source: Context | Bundle | Path) -> Iterator[Path]:
    path = source if isinstance(source, Path) else source.path
    if path.is_dir() or not archive_suffix(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="envbuild-image-") as folder:
        yield extract(path, Path(folder))


def _refuse(folder: Path, options: BuildOptions) -> None:
    if options.offline and not (folder / MANIFEST).is_file():
        raise UsageError(
            "a build without a network needs a bundle, and this is a context",
            where=str(folder),
            remedy=f"envbuild export {folder} -o BUNDLE, then build that",
        )
    if options.model is None:
        return
    if (folder / _MODEL).exists():
        raise UsageError("it holds a model already", where=str(folder), remedy="no --with-model")
    if not (options.model / "MLmodel").is_file():
        raise UsageError("this is not an MLflow model", where=str(options.model))


def _check_engine(client: DockerClient, context: Context, options: BuildOptions) -> None:
    """Refuse before the build what would fail late in it, or in words that do not help."""
    with engine_errors("the engine does not say what it is"):
        engine = client.version()
    wanted = parse_platform(options.platform) if options.platform else None
    machine = wanted.docker if wanted else f"linux/{engine.get('Arch', '')}"
    names = [entry.name for entry in PLATFORMS if entry.docker == machine]
    if not set(names) & set(context.locks):
        raise ImageError(
            f"the engine builds for {machine}, and there is no lock for that",
            where=str(context.path),
            details=(f"locks: {', '.join(sorted(context.locks))}",),
            remedy="envbuild lock --platform, or --platform here where the engine can emulate it",
        )
    base = options.base_image or context.base_image
    glibc_floor(base)  # refuses images without glibc
    if options.offline and not has_image(client, base):
        raise ImageError(
            f"the engine does not have the base image {base}",
            remedy=f"docker pull {base}, or docker load where there is no network",
        )


def _arguments(folder: Path, context: Context, options: BuildOptions) -> dict[str, Any]:
    base = options.base_image or context.base_image
    values = {"BASE_IMAGE": base} if options.base_image else {}
    if (folder / MANIFEST).is_file():
        # Everything in a bundle is built already, so no compiler is needed.
        values["BUILDER_IMAGE"] = base
    # The Dockerfile's labels name its own base image, so only another has to be told.
    name, _, digest = options.base_image.partition("@")
    labels = {_BASE_NAME: name, **({_BASE_DIGEST: digest} if digest else {})} if name else {}
    arguments: dict[str, Any] = {"buildargs": values, "labels": {**labels, **options.labels}}
    if options.offline:
        arguments["network_mode"] = "none"
    if options.platform:
        arguments["platform"] = parse_platform(options.platform).docker
    return arguments


@contextmanager
def _archive(folder: Path, model: Path | None) -> Iterator[IO[bytes]]:
    """What the engine gets: what ``.dockerignore`` lets through, and the model.

    In a file without a name, of which nothing stays whatever happens.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(tempfile.TemporaryFile())
            _pack(stream, folder, model)
        except OSError as error:
            raise OutputError(
                f"cannot pack what the engine is to get: {error.strerror or error}",
                where=str(error.filename or tempfile.gettempdir()),
                remedy=_MORE_ROOM if error.errno in _FULL else "",
            ) from error
        yield stream


def _pack(stream: IO[bytes], folder: Path, model: Path | None) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in _sent(folder):
            archive.add(folder / name, name, recursive=False)
        for name, path in model_files(model) if model else ():
            # Byte code is left out, as ``.dockerignore`` does.
            if "__pycache__" not in PurePosixPath(name).parts:
                archive.add(path, name)
    stream.seek(0)


def _sent(folder: Path) -> list[str]:
    from docker.utils import exclude_paths

    ignore = folder / ".dockerignore"
    rules = ignore.read_text("utf-8").splitlines() if ignore.is_file() else []
    patterns = [rule.strip() for rule in rules if rule.strip() and not rule.startswith("#")]
    return sorted(exclude_paths(str(folder), patterns, dockerfile="Dockerfile"))


def _build(
    client: DockerClient,
    archive: IO[bytes],
    tag: str,
    arguments: Mapping[str, Any],
    *,
    base: str,
    progress: Reporter,
) -> str:
    """The id of the image. ``rm`` and ``forcerm`` leave no containers behind, also on failure."""
    log: list[str] = []
    step = "the build"
    image = ""
    with engine_errors(f"cannot build {tag}"):
        events = client.api.build(
            fileobj=archive,
            custom_context=True,
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            **arguments,
        )
        with closing(events):
            for event in events:
                if "error" in event:
                    raise _failed(tag, step, str(event["error"]).strip(), log, base=base)
                text = _COLOUR.sub("", str(event.get("stream", "")))
                if _STEP.match(text):
                    step, log = text.rstrip(), []
                    progress.step(f"building {tag}: {shorten(step, _SHOWN, placeholder=' …')}")
                else:
                    log.append(text)  # not always a whole line
                image = event.get("aux", {}).get("ID", image)
    return image


def _failed(tag: str, step: str, error: str, log: list[str], *, base: str) -> ImageError:
    said = [line for line in "".join(log).splitlines() if not _CHATTER.fullmatch(line)]
    lines = [f"at {step}", *said[-_LOG_LINES:]]
    return ImageError(
        f"cannot build {tag}: {redact(error)}",
        details=[redact(line) for line in lines],
        remedy=remedy_for("\n".join([error, *said]), base=base),
    )


def _describe(client: DockerClient, image: str, tag: str, *, base: str) -> ImageResult:
    with engine_errors(f"cannot inspect {tag}"):
        built = client.images.get(image or tag)
        history = built.history()
        below = len(client.images.get(base).history()) if has_image(client, base) else 0
    layers = tuple(
        Layer(size=int(entry["Size"]), instruction=" ".join(entry["CreatedBy"].split()))
        for entry in reversed(history)
    )
    return ImageResult(
        id=built.id,
        tag=tag,
        size=int(built.attrs["Size"]),
        layers=layers,
        bill=_bill(layers, below=below),
    )


def _bill(layers: Sequence[Layer], *, below: int) -> dict[str, int]:
    """The size of each part; the first ``below`` layers are the base image's."""
    bill = dict.fromkeys(("base image", "environment", "script", "model", "other"), 0)
    for position, layer in enumerate(layers):
        found = (part for part, where in _PARTS if where.search(layer.instruction))
        bill["base image" if position < below else next(found, "other")] += layer.size
    return bill
