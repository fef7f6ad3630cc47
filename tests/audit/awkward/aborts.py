# waits: 1
import faulthandler
import os

import torch

faulthandler.enable()
torch.wait()
os.abort()
