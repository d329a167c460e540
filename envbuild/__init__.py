"""Turn an MLflow model into a serving environment that is locked and works without a network.

import envbuild
model = envbuild.read_model("model/")
lock = envbuild.lock(model, server="azureml-online", platforms=["linux-64"])
context = lock.write("env/")
bundle = envbuild.export(context, "bundle/")
report = envbuild.verify(bundle)
"""

from __future__ import annotations

__version__ = "0.1.0"
