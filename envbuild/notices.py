"""What envbuild has to say about a model without stopping: one frozen type, no printing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A remark about an input or a decision.

    ``code`` is a stable kebab-case name for machines (``python-differs``), ``message`` a whole
    sentence for people, ``where`` the file and position it speaks of.
    """

    code: str
    message: str
    where: str = ""
    level: Literal["note", "warning"] = "warning"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message
