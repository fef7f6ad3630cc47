# waits: 1
import warnings

warnings.simplefilter("error")
import torch  # noqa: E402

torch.wait()
warnings.simplefilter("default")
for _ in range(2):
    warnings.warn("once", stacklevel=1)
print(len(warnings.filters))
