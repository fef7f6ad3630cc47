"""vLLM-Omni's own diffusion worker in this process: it reads the model, and runs requests through its runner."""

from __future__ import annotations

from typing import Any

import torch
from vllm_omni.diffusion.data import OmniDiffusionConfig
from vllm_omni.diffusion.request import OmniDiffusionRequest
from vllm_omni.diffusion.worker.diffusion_worker import DiffusionWorker
from vllm_omni.inputs.data import OmniDiffusionSamplingParams

from .tiny import PIPELINES, STEPS


class Worker:
    """The worker of one of `PIPELINES`, whose model is in the folder `model`."""

    def __init__(self, name: str, model: str) -> None:
        tiny = PIPELINES[name]
        self._sampling = tiny.sampling
        self._config = OmniDiffusionConfig.from_kwargs(
            model=model,
            model_class_name=tiny.pipeline,
            dtype=torch.bfloat16,  # in fp32 0.24.0 goes around the platform's attention
            enforce_eager=True,
            num_gpus=1,
        )
        self._worker = DiffusionWorker(0, 0, self._config)

    @property
    def pipeline(self) -> Any:
        return self._worker.model_runner.pipeline

    def move(self, device: torch.device) -> None:
        """Move the model and all that says where it is; vLLM's configuration for a CPU refuses another device at the start."""
        from vllm_omni_host.platform import HostPlatform

        HostPlatform.device = self._worker.device = self._worker.model_runner.device = self.pipeline.device = device
        self.pipeline.to(device)

    def generate(self) -> torch.Tensor:
        """Return the latents of one request with guidance, always from the same seed, as a worker's first request gets them.

        Helios keeps what it made of a prompt under the address of the prompt's embeddings, and forgets it with neither the request
        nor the tensor: a later request whose embeddings lie there gets what belongs to another prompt.
        """
        for module in self.pipeline.modules():
            if hasattr(module, "clear_cross_attention_cache"):
                module.clear_cross_attention_cache()
        sampling = OmniDiffusionSamplingParams(
            num_inference_steps=STEPS, seed=7, output_type="latent", guidance_scale=4.0, **self._sampling
        )
        prompt = {"prompt": "a curious raccoon walks in the sunflower field", "negative_prompt": "blurry video"}
        request = OmniDiffusionRequest(prompt=prompt, request_id="one", sampling_params=sampling)
        done = self._worker.execute_model(request, self._config)
        if done.error:
            raise RuntimeError(done.error)
        return done.output
