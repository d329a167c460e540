"""Run a batch scoring script over one file: prints ``envbuild-result {...}``.

    batch.py SCRIPT FILE

The contract is Azure ML's: ``init()`` once, then ``run(paths)``, which gives one element for each
row or file that succeeded.
"""

import importlib.util
import json
import os
import sys
import time
import traceback
from typing import Any, Dict, List


def load_script(path: str) -> Any:
    """The script as a module, found the way that a batch worker finds it: beside its neighbours."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("envbuild_batch_script", path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python script: " + path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def examine(script: str, path: str) -> Dict[str, Any]:
    """``init``, then ``run`` over the one file."""
    started = time.time()
    result: Dict[str, Any] = {"results": None, "error": None}
    try:
        module = load_script(script)
        module.init()
        result["results"] = len(module.run([path]))
    except BaseException as error:  # sys.exit in a script is a failure, too
        traceback.print_exc()
        result["error"] = "{}: {}".format(type(error).__name__, error)
    result["seconds"] = round(time.time() - started, 3)
    return result


def main(argv: List[str]) -> None:
    """Print the result."""
    result = examine(argv[0], argv[1])
    sys.stdout.write("\nenvbuild-result " + json.dumps(result) + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    # A framework may have left threads behind that never end.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
