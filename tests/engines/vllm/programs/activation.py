"""Load vLLM's plug-ins as each of its processes does, import what the hooks replace, and tell what became of it."""

from __future__ import annotations

import json
import sys
from typing import Any

from vllm.plugins import load_general_plugins
from vllm.ray.ray_env import get_env_vars_to_copy


def main() -> None:
    load_general_plugins()
    imported_by_us = sorted(name for name in sys.modules if name.startswith("vllm.v1.sample"))
    from vllm.v1.sample.sampler import Sampler
    from vllm.v1.worker import dp_utils

    answer: dict[str, Any] = {
        "imported by us": imported_by_us,
        "loaded": "syncfree" in sys.modules,
        "replaced": [
            function.__qualname__
            for function in (Sampler.gather_specific_token_logprobs, dp_utils._run_ar)
            if hasattr(function, "__wrapped__")
        ],
    }
    if answer["loaded"]:
        import syncfree

        answer["plan"] = syncfree.plan().as_dict()
        answer["copied by Ray"] = sorted(name for name in get_env_vars_to_copy() if name.startswith(("SYNCFREE", "ACME")))
        answer["left"] = syncfree.restore()
        answer["after restore"] = [
            function.__qualname__
            for function in (Sampler.gather_specific_token_logprobs, dp_utils._run_ar)
            if hasattr(function, "__wrapped__")
        ]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
