"""Many models in one run: each distinct environment solved once, each model its own context."""

from envbuild.fleet.outcome import Failure, FleetReport, Outcome
from envbuild.fleet.run import FleetOptions, check_fleet, lock_fleet
from envbuild.fleet.sources import Source, find_models, list_models

__all__ = [
    "Failure",
    "FleetOptions",
    "FleetReport",
    "Outcome",
    "Source",
    "check_fleet",
    "find_models",
    "list_models",
    "lock_fleet",
]
