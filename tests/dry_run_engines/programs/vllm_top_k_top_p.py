"""vLLM's Triton kernel for top-k and top-p in the dry run, and vLLM's PyTorch form of it on the host: which logits each keeps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from measuring import about
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch
from vllm.v1.sample.ops.topk_topp_triton import apply_top_k_top_p_triton

torch.manual_seed(0)
logits = torch.randn(4, 1000)
k, p = torch.tensor([5, 10, 1000, 50], dtype=torch.int32), torch.tensor([0.9, 0.5, 0.3, 1.0])
on_device = apply_top_k_top_p_triton(logits.cuda(), k.cuda(), p.cuda()).cpu()
on_host = apply_top_k_top_p_pytorch(logits.clone(), k, p)
kept = {name: [row.isfinite().nonzero().flatten().tolist() for row in x] for name, x in (("device", on_device), ("host", on_host))}
Path(os.environ["RESULT"]).write_text(json.dumps({"about": about(), "kept": kept}))
