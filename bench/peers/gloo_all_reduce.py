"""Gloo's all-reduce through PyTorch, one process per rank (env:// variables): for each size, p50 in
microseconds. Prints "bytes p50" lines on rank 0. The buffer is rewritten before each call.
usage: gloo_all_reduce.py BYTES,CALLS ..."""
import statistics
import sys
import time

import torch
import torch.distributed as dist


def main():
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    for size in sys.argv[1:]:
        size, calls = (int(n) for n in size.split(","))
        values = torch.empty(size // 4)
        taken = []
        for call in range(calls):
            values.fill_(1.0 + call)
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(values)
            taken.append(time.perf_counter() - start)
            assert values[-1].item() == (1.0 + call) * dist.get_world_size()
        if dist.get_rank() == 0:
            print(size, statistics.median(taken) * 1e6, flush=True)


main()
