"""The three files that may describe an environment: which counts, and what the others say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from envbuild.entries.conda_yaml import parse_conda_yaml
from envbuild.entries.differences import describe_differences
from envbuild.entries.python_env import parse_python_env, request_python
from envbuild.entries.requirements import PipRequirement, PythonRequest
from envbuild.entries.requirements_file import BadEntry, EntryReader
from envbuild.model import Model
from envbuild.notices import Notice
from envbuild.origins import Origin

__all__ = ["EnvironmentFiles"]


class EnvironmentFiles:
    """All of them read, whichever counts. ``pip`` has the pip requirements that count.

    Raises:
        SpecError: conda.yaml is not a conda environment at all.
        ModelError: conda.yaml is no YAML.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.conda = parse_conda_yaml(model.conda_yaml, model) if model.conda_yaml else None
        self.listed = EntryReader(model=model) if model.requirements else None
        if self.listed and model.requirements:
            self.listed.read_file(model.requirements.text, model.requirements.name)
        self.python_env = parse_python_env(model.python_env, model) if model.python_env else None
        self.pip, self._source = self._counting()

    def bad(self) -> tuple[BadEntry, ...]:
        """The entries of the files that count that cannot be understood."""
        return (*(self.conda.bad if self.conda else ()), *self.pip.bad)

    def pythons(self) -> Iterator[PythonRequest]:
        """The Python that each file, and then the record, asks for; the first counts."""
        if self.conda and self.conda.python:
            yield self.conda.python
        if self.python_env and self.python_env.python:
            yield self.python_env.python
        if recorded := self._model.python_version:
            position = "flavors.python_function.python_version"
            origin = Origin(side="record", file="MLmodel", position=position)
            if request := request_python(recorded, origin):
                yield request

    def names(self, python: PythonRequest | None) -> tuple[str, ...]:
        """The files that the environment was read from, the one that counts first."""
        names = [self.conda.name] if self.conda and not self.conda.is_empty else []
        if self._source and (self.pip.has_entries or not names):
            names.append(self._source)
        names += self.pip.files
        if python and python.origin.side == "model":
            names.append(python.origin.file)
        return tuple(dict.fromkeys(names))

    def notices(self) -> Iterator[Notice]:
        """What there is to say of the files."""
        if self.conda:
            yield from self.conda.notices
        if self.python_env:
            yield from self.python_env.notices
            if self.pip is not self.python_env.pip:
                for notice in self.python_env.pip.notices:
                    yield replace(notice, level="note")
        yield from self.pip.notices
        yield from self._which_counts()
        yield from self._differences()

    def _counting(self) -> tuple[EntryReader, str]:
        """The pip requirements that count, and the file they are in."""
        if self.conda and self.conda.has_pip_section:
            return self.conda.pip, self.conda.name
        if self.listed and self._model.requirements:
            return self.listed, self._model.requirements.name
        if self.python_env and (self.conda is None or self.conda.is_empty):
            return self.python_env.pip, self.python_env.name
        return EntryReader(), self.conda.name if self.conda and not self.conda.is_empty else ""

    def _which_counts(self) -> Iterator[Notice]:
        if not (self.conda or self._source):
            message = (
                "no environment file: what it needs can only be told from what MLmodel records"
            )
            yield Notice(code="no-environment-file", message=message, where="MLmodel")
        if self.conda and self.conda.is_empty:
            message = "asks for nothing, and does not count"
            yield Notice(code="environment-file-empty", message=message, where=self.conda.name)
        elif self.conda and self.pip is self.listed:
            message = f"no pip requirements; those of {self._source} are taken"
            where = self.conda.name
            yield Notice(code="pip-section-absent", message=message, where=where, level="note")
        if self._model.contains("uv.lock"):
            message = "not what counts: MLflow installs from the environment files"
            yield Notice(code="uv-lock-unused", message=message, where="uv.lock", level="note")

    def _differences(self) -> Iterator[Notice]:
        """That a file which does not count says something else than the one that does."""
        if self._model.requirements and self.listed and self.pip is not self.listed:
            name = self._model.requirements.name
            if name not in self.pip.files:  # where it is included, it counts
                yield from self._difference(name, self.listed.requirements, self.listed.bad)
        if self.python_env and self.pip is not self.python_env.pip:
            name, reader = self.python_env.name, self.python_env.pip
            # What it includes is requirements.txt, as a rule, which is compared above.
            own = [entry for entry in reader.requirements if entry.origin.file == name]
            yield from self._difference(name, own, reader.bad, whole=False)

    def _difference(
        self,
        name: str,
        other: Iterable[PipRequirement],
        bad: Collection[BadEntry],
        *,
        whole: bool = True,
    ) -> Iterator[Notice]:
        also_kept = {package.name for package in self.conda.conda} if self.conda else set()
        text = describe_differences(self.pip.requirements, other, also_kept=also_kept, whole=whole)
        if bad:
            text = "; ".join(filter(None, (text, f"entries that cannot be read: {len(bad)}")))
        if text:
            message = f"{self._source} counts, and this says otherwise; {text}"
            yield Notice(code="requirements-differ", message=message, where=name)
