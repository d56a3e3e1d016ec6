"""Process pools of Python, for the figures of executors_bench: one line of JSON each.

usage: python3 bench/peers/executors_pools.py   (loky and pebble are measured if they are installed)
"""

import json
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def identity(x):
    return x


def first(a):
    return float(a[0])


def zeros(n):
    import numpy

    return numpy.zeros(n)


def microseconds(body):
    start = time.perf_counter()
    body()
    return (time.perf_counter() - start) * 1e6


def percentiles(samples):
    samples = sorted(samples)
    return {"p50_us": round(samples[len(samples) // 2], 1), "p99_us": round(samples[len(samples) * 99 // 100], 1)}


def measure(name, submit, rounds=1500, tasks=10000):
    for _ in range(100):
        submit(identity, 1).result()
    row = percentiles([microseconds(lambda: submit(identity, 1).result()) for _ in range(rounds)])
    start = time.perf_counter()
    futures = [submit(identity, i) for i in range(tasks)]
    assert sum(future.result() for future in futures) == tasks * (tasks - 1) // 2
    row["tasks_per_second"] = round(tasks / (time.perf_counter() - start))
    print(json.dumps({"peer": name, **row}), flush=True)


def main():
    start = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        pool.submit(identity, 1).result()
        print(json.dumps({"peer": "ProcessPoolExecutor", "start_ms": round((time.perf_counter() - start) * 1e3, 2)}))
        measure("ProcessPoolExecutor", pool.submit)
        try:
            import numpy
        except ImportError:
            numpy = None
        if numpy:
            array = numpy.ones(100_000_000 // 8)
            row = {"argument_100_mb_ms": min(microseconds(lambda: pool.submit(first, array).result()) for _ in range(3)) / 1e3}
            row["result_100_mb_ms"] = min(microseconds(lambda: pool.submit(zeros, 100_000_000 // 8).result()) for _ in range(3)) / 1e3
            print(json.dumps({"peer": "ProcessPoolExecutor", **{key: round(value, 1) for key, value in row.items()}}))
    with ThreadPoolExecutor(2) as pool:
        measure("ThreadPoolExecutor", pool.submit)
    try:
        from joblib.externals.loky import get_reusable_executor
    except ImportError:
        get_reusable_executor = None
    if get_reusable_executor:
        measure("loky", get_reusable_executor(2).submit, rounds=1000, tasks=5000)
    try:
        from pebble import ProcessPool
    except ImportError:
        ProcessPool = None
    if ProcessPool:
        with ProcessPool(max_workers=2) as pool:
            measure("pebble", lambda function, x: pool.schedule(function, args=(x,)), rounds=1000)


if __name__ == "__main__":
    main()
