"""A channel of conda-forge's size and shape: repodata only, the same bytes for the same seed.

Three kinds of package, as there: C libraries whose builds pin each other's versions by run exports
(``>=1.4,<2.0a0``), compiled Python packages with one build per Python, and noarch ones that ask for
floors. A package depends on better known ones only, so a few are needed by nearly all. What a
release asks for is what was there when it was made, and so a solve has to weigh old against new.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

__all__ = ["PYTHONS", "Shape", "write_channel", "write_shards"]

PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
_EPOCH, _NOW = 1_540_000_000, 1_760_000_000  # seconds; from 2018-10 to 2025-10
_COMPILED_SHARE, _LIBRARY_SHARE = 0.46, 0.14  # of the records; the rest is noarch
_MEAN_LIBRARY, _MEAN_COMPILED, _MEAN_NOARCH = 18, 57, 10.5  # records per name


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much: ``records`` over linux-64 and noarch together, within a percent."""

    records: int
    seed: int = 20251122

    @property
    def libraries(self) -> int:
        """How many C libraries there are."""
        return max(8, round(self.records * _LIBRARY_SHARE / _MEAN_LIBRARY))

    @property
    def compiled(self) -> int:
        """How many compiled Python packages there are."""
        return max(8, round(self.records * _COMPILED_SHARE / _MEAN_COMPILED))

    @property
    def noarch(self) -> int:
        """How many pure Python packages there are."""
        share = 1 - _COMPILED_SHARE - _LIBRARY_SHARE
        return max(8, round(self.records * share / _MEAN_NOARCH))


@dataclass(frozen=True, slots=True)
class _Release:
    version: tuple[int, int, int]
    moment: int  # seconds since 1970

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    releases: tuple[_Release, ...]
    needs: tuple[_Package, ...] = ()

    def before(self, moment: int) -> _Release:
        """The newest release made before ``moment``, else the first."""
        past = [release for release in self.releases if release.moment <= moment]
        return past[-1] if past else self.releases[0]


@dataclass(slots=True)
class _Maker:
    random: random.Random
    pythons: tuple[_Package, ...] = ()
    libraries: list[_Package] = field(default_factory=list)
    compiled: list[_Package] = field(default_factory=list)
    noarch: list[_Package] = field(default_factory=list)

    def populate(self, shape: Shape) -> None:
        for rank in range(shape.libraries):
            needs = self._known(self.libraries, 3)
            self.libraries.append(
                _Package(f"lib{rank:05d}", self._releases(_MEAN_LIBRARY / 2.5), needs)
            )
        for rank in range(shape.compiled):
            needs = (*self._known(self.libraries, 3), *self._known(self.compiled, 2))
            releases = self._releases(_MEAN_COMPILED / 3.6)
            self.compiled.append(_Package(f"ext{rank:05d}", releases, needs))
        for rank in range(shape.noarch):
            needs = (*self._known(self.compiled, 2), *self._known(self.noarch, 4))
            self.noarch.append(_Package(f"pure{rank:05d}", self._releases(_MEAN_NOARCH), needs))

    def _known(self, others: list[_Package], most: int) -> tuple[_Package, ...]:
        """A few of ``others``, the first ones far more often: what everybody needs."""
        if not others:
            return ()
        drawn = (
            int(len(others) * self.random.random() ** 4)
            for _ in range(self.random.randint(0, most))
        )
        return tuple(others[index] for index in sorted(set(drawn)))

    def _releases(self, mean: float) -> tuple[_Release, ...]:
        """Some have two releases, a few have ten times the mean."""
        count = max(1, round(min(mean * 10, mean * self.random.lognormvariate(-0.5, 1.0))))
        first = self.random.randint(_EPOCH, _EPOCH + (_NOW - _EPOCH) // 2)
        moments = sorted(self.random.randint(first, _NOW) for _ in range(count))
        major, minor, patch = self.random.randint(0, 3), 0, 0
        made = []
        for moment in moments:
            match self.random.random():
                case chance if chance < 0.04:
                    major, minor, patch = major + 1, 0, 0
                case chance if chance < 0.45:
                    minor, patch = minor + 1, 0
                case _:
                    patch += 1
            made.append(_Release((major, minor, patch), moment))
        return tuple(made)


def write_channel(folder: Path, shape: Shape) -> int:
    """Write ``linux-64/repodata.json`` and ``noarch/repodata.json``; how many records they have."""
    return sum(_write(folder / subdir, records, subdir) for subdir, records in _records_of(shape))


def write_shards(folder: Path, shape: Shape) -> int:
    """Write the same channel with one small file for each name, and nothing else; how many.

    Source: CEP 16 (https://github.com/conda/ceps/blob/main/cep-0016.md).
    """
    return sum(
        _write_shards(folder / subdir, records, subdir) for subdir, records in _records_of(shape)
    )


def _records_of(shape: Shape) -> Iterator[tuple[str, Iterator[dict[str, object]]]]:
    maker = _Maker(random.Random(shape.seed))
    maker.populate(shape)
    yield "linux-64", _native(maker)
    yield "noarch", _pure(maker)


def _native(maker: _Maker) -> Iterator[dict[str, object]]:
    yield from _pythons()
    for library in maker.libraries:
        for release in library.releases:
            moment = _built(library, release)
            depends = ["libgcc >=13", *(_export(need, moment) for need in library.needs)]
            for number in range(1 + release.moment % 4):
                yield _record(library.name, release, f"_{number}", depends, number=number)
    for package in maker.compiled:
        for release in package.releases:
            moment = _built(package, release)
            needs = [
                _export(need, moment) if need.name.startswith("lib") else _floor(need, moment)
                for need in package.needs
            ]
            for python in _supported(moment):
                digits = python.replace(".", "")
                depends = ["libgcc >=13", f"python >={python},<{_next(python)}.0a0"]
                depends += [f"python_abi {python}.* *_cp{digits}", *needs]
                yield _record(package.name, release, f"py{digits}", depends)


def _built(package: _Package, release: _Release) -> int:
    """When a release was last built: migrations rebuild the newest of each package for every
    Python that is still supported, against the libraries of today.
    """
    return _NOW if release is package.releases[-1] else release.moment


def _pure(maker: _Maker) -> Iterator[dict[str, object]]:
    for name in ("pip", "setuptools", "wheel", "tzdata", "ca-certificates"):
        for index in range(12):
            release = _Release((20 + index, 0, 0), _EPOCH + index * 18_000_000)
            python = ["python >=3.8"] if name in {"pip", "setuptools", "wheel"} else []
            yield _record(name, release, "pyh", python, subdir="noarch")
    for package in maker.noarch:
        for release in package.releases:
            floor = _supported(release.moment)[0]
            needs = [_floor(need, release.moment) for need in package.needs]
            yield _record(
                package.name, release, "pyhd", [f"python >={floor}", *needs], subdir="noarch"
            )


def _pythons() -> Iterator[dict[str, object]]:
    libc = _Release((15, 1, 0), _EPOCH)
    yield _record("libgcc", libc, "", ["_libgcc_mutex 0.1", "__glibc >=2.17,<3.0.a0"])
    yield _record("_libgcc_mutex", _Release((0, 1, 0), _EPOCH), "", [])
    for line, python in enumerate(PYTHONS):
        digits = python.replace(".", "")
        abi = _Release((3, line + 8, 0), _EPOCH)
        yield _record("python_abi", abi, f"_cp{digits}", [], constrains=[f"python {python}.*"])
    for line, python in enumerate(PYTHONS):
        digits = python.replace(".", "")
        for patch in range(14):
            release = _Release((3, line + 8, patch), _first(python) + patch * 5_000_000)
            depends = ["libgcc >=13", "tzdata", "ca-certificates", "lib00000", "lib00001"]
            constrains = [f"python_abi {python}.* *_cp{digits}"]
            yield _record("python", release, "_cpython", depends, constrains=constrains)


def _record(
    name: str,
    release: _Release,
    flavor: str,
    depends: list[str],
    *,
    subdir: str = "linux-64",
    number: int = 0,
    constrains: list[str] | None = None,
) -> dict[str, object]:
    identity = f"{name}-{release.text}-{flavor}-{number}".encode()
    sha256 = hashlib.sha256(identity).hexdigest()
    build = f"h{sha256[:7]}{flavor}" if flavor.startswith("_") else f"{flavor}h{sha256[:7]}_0"
    return {
        "build": build,
        "build_number": number,
        "constrains": constrains or [],
        "depends": depends,
        "license": "BSD-3-Clause",
        "license_family": "BSD",
        "md5": hashlib.md5(identity, usedforsecurity=False).hexdigest(),
        "name": name,
        "sha256": sha256,
        "size": 20_000 + int(sha256[:5], 16),
        "subdir": subdir,
        "timestamp": (release.moment + number) * 1000,
        "version": release.text,
        **({"noarch": "python"} if subdir == "noarch" else {}),
    }


def _export(need: _Package, moment: int) -> str:
    """What a run export of the library asks for: this line and nothing after it."""
    version = need.before(moment).version
    return f"{need.name} >={version[0]}.{version[1]}.{version[2]},<{version[0] + 1}.0a0"


def _floor(need: _Package, moment: int) -> str:
    return f"{need.name} >={need.before(moment).text}"


def _first(python: str) -> int:
    """When a line of Python came out: one each October."""
    return 1_571_000_000 + PYTHONS.index(python) * 31_500_000


def _supported(moment: int) -> list[str]:
    """The four lines for which conda-forge built at ``moment``, the oldest first."""
    out = [python for python in PYTHONS if _first(python) <= moment]
    return out[-4:] or [PYTHONS[0]]


def _next(python: str) -> str:
    major, _, minor = python.partition(".")
    return f"{major}.{int(minor) + 1}"


def _write(folder: Path, records: Iterator[Mapping[str, object]], subdir: str) -> int:
    """One subdir's repodata and its archive, made on the way: the whole is too much for memory."""
    import zstandard

    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    head = json.dumps({"info": {"subdir": subdir}, "packages": {}, "repodata_version": 1})
    plain = folder / "repodata.json"
    with plain.open("w") as stream:
        stream.write(f'{head[:-1]}, "packages.conda": {{')
        for record in records:
            stream.write(f"{',' if count else ''}\n{json.dumps(_file(record))}: ")
            stream.write(json.dumps(record))
            count += 1
        stream.write("}}\n")
    with plain.open("rb") as source, (folder / "repodata.json.zst").open("wb") as target:
        zstandard.ZstdCompressor().copy_stream(source, target)
    return count


def _write_shards(folder: Path, records: Iterator[dict[str, object]], subdir: str) -> int:
    import msgpack  # type: ignore[import-untyped]
    import zstandard

    (folder / "shards").mkdir(parents=True, exist_ok=True)
    compressor = zstandard.ZstdCompressor()
    shards, count = {}, 0
    for name, rows in groupby(records, key=lambda record: str(record["name"])):
        packages = {_file(row): _packed(row) for row in rows}
        data = compressor.compress(
            msgpack.packb({"packages": {}, "packages.conda": packages, "removed": []})
        )
        digest = hashlib.sha256(data)
        (folder / "shards" / f"{digest.hexdigest()}.msgpack.zst").write_bytes(data)
        shards[name] = digest.digest()
        count += len(packages)
    info = {"subdir": subdir, "base_url": "./", "shards_base_url": "./shards/"}
    index = msgpack.packb({"version": 1, "info": info, "shards": shards})
    (folder / "repodata_shards.msgpack.zst").write_bytes(compressor.compress(index))
    return count


def _packed(record: dict[str, object]) -> dict[str, object]:
    """In shards hashes are bytes."""
    return record | {name: bytes.fromhex(str(record[name])) for name in ("md5", "sha256")}


def _file(record: Mapping[str, object]) -> str:
    return f"{record['name']}-{record['version']}-{record['build']}.conda"
