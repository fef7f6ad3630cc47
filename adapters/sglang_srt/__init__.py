"""SGLang's language engine (``sglang.srt``), from 0.5.9.

From 0.5.11 SGLang runs the entry point group ``sglang.srt.plugins`` in the process of the engine and in each process that
runs a model. 0.5.9 and 0.5.10 load no plugins; ``syncfree.pth`` is the way into them.
"""

from __future__ import annotations

import logging
import sys

from syncfree import SelectionError
from syncfree.activation import load_from_plugin
from syncfree.adapting import Adapter

from ..early_log import early_logger
from . import custom_logit_processor, min_tokens_penalty, sampler_logprob_gather, sampling_parameters

FRAMEWORK = "sglang-srt"
_LAYOUT = logging.Formatter("[%(asctime)s] %(message)s", "%Y-%m-%d %H:%M:%S")
"""SGLang's own. It puts its handler on the root logger when a process has read its arguments, after plugins have loaded."""

ADAPTER = Adapter(
    framework=FRAMEWORK,
    package="sglang",
    distributions=("sglang",),
    bindings=(
        *sampler_logprob_gather.BINDINGS,
        *sampling_parameters.BINDINGS,
        min_tokens_penalty.BINDING,
        *custom_logit_processor.BINDINGS,
    ),
    home=__name__,
    reviewed="0.5.23",
    logger=early_logger("sglang.srt.syncfree", None, _LAYOUT),
    loads_plugins_since="0.5.11",
)


def activate() -> None:
    """Load the hooks; the entry point of ``sglang.srt.plugins``.

    SGLang logs the exceptions of a plugin and goes on without it, so a choice that cannot be met ends the process here.
    """
    try:
        load_from_plugin(FRAMEWORK)
    except SelectionError as error:
        sys.exit(str(error))
