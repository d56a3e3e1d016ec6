#!/usr/bin/python3
"""Writes learning_rates.json: the rates of Python torch's own schedulers, step by step."""
import json
import pathlib

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


def rates(rate, warmup, total, start, final):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=rate)
    falling = CosineAnnealingLR(optimizer, total - warmup, eta_min=rate * final)
    schedule = falling
    if warmup:
        rising = LinearLR(optimizer, start_factor=start, total_iters=warmup)
        schedule = SequentialLR(optimizer, [rising, falling], milestones=[warmup])
    found = []
    for _ in range(total + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return {"rate": rate, "warmup": warmup, "total": total, "start": start, "final": final,
            "rates": found}


cases = [rates(0.1, 0, 20, 0.0, 0.0), rates(0.5, 5, 30, 0.1, 0.01), rates(1e-3, 10, 12, 0.25, 0.5)]
path = pathlib.Path(__file__).with_name("learning_rates.json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
