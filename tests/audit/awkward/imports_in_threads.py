# waits: 4
import threading

barrier = threading.Barrier(4)


def work():
    barrier.wait()
    import torch

    torch.wait()


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(threading.active_count())
