# waits: 1
import gc

gc.disable()
gc.callbacks.append(lambda phase, info: None)
import torch  # noqa: E402

torch.wait()
gc.freeze()
print(gc.isenabled(), len(gc.callbacks), gc.get_freeze_count() > 0, gc.garbage)
