# Every child of a fork waits, whatever a thread was doing at the moment of the fork.
import os
import threading

import torch

enough = threading.Event()


def work():
    while not enough.is_set():
        torch.wait()


threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(30):
    child = os.fork()
    if child == 0:
        torch.wait(5)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
enough.set()
for thread in threads:
    thread.join()
print("done")
