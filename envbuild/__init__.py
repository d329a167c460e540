"""Turn an MLflow model into a serving environment that is locked and works without a network.

```python
import envbuild

model = envbuild.read_model("model/")
lock = envbuild.lock(model, server="azureml-online", platforms=["linux-64"])
context = lock.write("env/")
bundle = envbuild.export(context, "bundle/")
report = envbuild.verify(bundle)
```
"""

from __future__ import annotations

TYPE_CHECKING = False  # as of typing, which takes as long to import as all of this
if TYPE_CHECKING:
    from envbuild.api import check, export, lock, read_context, read_model, serve, verify
    from envbuild.errors import EnvbuildError

__all__ = [
    "EnvbuildError",
    "__version__",
    "check",
    "export",
    "lock",
    "read_context",
    "read_model",
    "serve",
    "verify",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # PEP 562: `import envbuild` stays cheap, and each name is loaded at its first use.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from envbuild import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
