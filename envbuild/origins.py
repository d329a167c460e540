"""Where a requirement comes from: the file and entry, the profile, the record or the option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Origin", "Side"]

Side = Literal["model", "record", "server", "option", "conda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``conda.yaml: dependencies[3].pip[1]``, or ``azureml-online: requires[0].packages[1]``.

    ``side`` is ``model`` (an environment file), ``record`` (filled in from what MLmodel records),
    ``server`` (the profile), ``option`` (the command line or a keyword argument) or ``conda`` (what
    the solved conda part brings, and the entry that it is there for).
    """

    side: Side
    file: str
    position: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.position}" if self.position else self.file
