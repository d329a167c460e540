"""Where things lie in the checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FIXTURES", "MODELS", "PACKAGE", "ROOT", "SCORING", "TESTS"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "envbuild"
SCORING = PACKAGE / "scoring"
TESTS = ROOT / "tests"
FIXTURES = ROOT / "fixtures"
MODELS = FIXTURES / "models"
