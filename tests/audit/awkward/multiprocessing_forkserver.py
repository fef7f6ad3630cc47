# waits: 4
import multiprocessing


def work(number):
    import torch

    torch.wait()
    return number + 1


if __name__ == "__main__":
    import torch

    torch.wait()
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        print(pool.map(work, [1, 2, 3]))
        pool.close()
        pool.join()
