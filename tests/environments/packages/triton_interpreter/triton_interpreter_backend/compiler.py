"""The half of the backend that Triton asks to compile; the interpreter never asks it to."""

from __future__ import annotations

from typing import Any

from triton.backends.compiler import BaseBackend, GPUTarget


class InterpreterBackend(BaseBackend):
    @staticmethod
    def supports_target(target: GPUTarget) -> bool:
        return bool(target.backend == "cpu")

    def hash(self) -> str:
        return "interpreter"

    def parse_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return options

    def add_stages(self, stages: dict[str, Any], options: object, language: object = None) -> None:
        pass

    def load_dialects(self, context: object) -> None:
        pass

    def get_module_map(self) -> dict[str, Any]:
        return {}
