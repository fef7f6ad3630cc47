# waits: 1
import sys

import torch

events = []


def trace(frame, event, argument):
    if frame.f_code.co_filename == __file__:
        events.append((event, frame.f_code.co_name, frame.f_lineno))
    return trace


def function():
    torch.wait()
    return 1


sys.settrace(trace)
function()
sys.settrace(None)
print(events)
