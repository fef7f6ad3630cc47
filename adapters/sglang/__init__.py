"""SGLang diffusion (``sglang.multimodal_gen``), from 0.5.9.

From 0.5.21 SGLang runs the entry point group ``sglang.multimodal_gen.plugins`` in every process. The
processes of older releases that denoise load no plugins; ``syncfree.pth`` is the way into them.
"""

from __future__ import annotations

import logging
import sys

from syncfree import SelectionError
from syncfree.activation import load_from_plugin
from syncfree.adapting import Adapter
from syncfree.ranks import compare_plans_after

from ..early_log import early_logger
from ..grouping import grouped_by_module
from . import (
    host_timestep,
    nearest_sigma,
    postprocess,
    progress_reporting,
    qk_norm,
    rotary_embedding,
    schedule_upload,
    scheduler_step,
    sequence_parallel_all_to_all,
    vae_decode,
)

_LAYOUT = logging.Formatter("[%(asctime)s] %(message)s", "%m-%d %H:%M:%S")
"""SGLang's own. It puts its handler on the root logger when a process has read its arguments, after plugins have loaded."""

ADAPTER = Adapter(
    framework="sglang",
    package="sglang",
    distributions=("sglang",),
    bindings=(
        *sequence_parallel_all_to_all.BINDINGS,
        *scheduler_step.BINDINGS,
        rotary_embedding.BINDING,
        qk_norm.BINDING,
        vae_decode.BINDING,
        postprocess.BINDING,
        *grouped_by_module((*schedule_upload.BINDINGS, *host_timestep.BINDINGS, *nearest_sigma.BINDINGS)),
        *progress_reporting.BINDINGS,
    ),
    home=__name__,
    reviewed="0.5.23",
    logger=early_logger("sglang.multimodal_gen.syncfree", None, _LAYOUT),
    loads_plugins_since="0.5.21",
    attachments=(
        # Called once by every worker, before it makes the groups of Ulysses and ring ranks.
        compare_plans_after(
            "sglang.multimodal_gen.runtime.distributed.parallel_state:init_distributed_environment", "sglang"
        ),
    ),
)


def activate() -> None:
    """Load the hooks; the entry point of ``sglang.multimodal_gen.plugins``.

    SGLang logs the exceptions of a plugin and goes on without it, so a choice that cannot be met ends the
    process here.
    """
    try:
        load_from_plugin("sglang")
    except SelectionError as error:
        sys.exit(str(error))
