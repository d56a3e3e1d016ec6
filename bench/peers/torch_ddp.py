"""The peer of bench/ddp: PyTorch's DistributedDataParallel over Gloo. Prints as bench/ddp_step.hpp says."""
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
torch.set_num_threads(1)
torch.manual_seed(0)
prints = dist.get_rank() == 0
criterion = nn.CrossEntropyLoss()
first = True
for batch in (32, 128, 1024):
    model = DistributedDataParallel(
        nn.Sequential(nn.Linear(1000, 100), nn.ReLU(), nn.Linear(100, 10)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, classes = torch.randn(batch, 1000), torch.randint(0, 10, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        criterion(model(inputs), classes).backward()
        optimizer.step()

    step()
    if first and prints:
        print("first", flush=True)
    first = False
    for _ in range(30):
        step()
    dist.barrier()
    taken = []
    for _ in range(400 if batch < 1000 else 150):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    taken.sort()
    if prints:
        print(batch, f"{taken[len(taken) // 2] * 1e6:.1f}", flush=True)
    dist.barrier()
