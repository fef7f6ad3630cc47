"""Make a CUDA build of torchvision importable beside a CPU build of torch.

Its compiled operators cannot be loaded there, but `torchvision/_meta_registrations.py` insists on the schemas of two.
This appends their definitions to `torchvision/extension.py` of the environment whose Python runs it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

DEFINITIONS = '''

if not _has_ops():
    _schemas = torch.library.Library("torchvision", "DEF")
    _schemas.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
'''


def main() -> None:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise SystemExit("torchvision is not installed in this environment")
    extension = Path(spec.origin).with_name("extension.py")
    source = extension.read_text()
    if not source.endswith(DEFINITIONS):
        extension.write_text(source + DEFINITIONS)


if __name__ == "__main__":
    main()
