"""Run the calibration and the benchmarks on this machine's GPU: ``python run.py --output FOLDER``.

The machine needs Python with torch for CUDA and numpy. What else is needed lies beside this file: packages that this Python has
already are used as they are, but for syncfree, diffusers and the scheduler modules of SGLang. ``python run.py PART`` runs one part.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "own"))
sys.path.append(str(HERE / "others"))

from tests.bench import gpu  # noqa: E402  (found through the lines above)

if __name__ == "__main__":
    sys.exit(gpu.main())
