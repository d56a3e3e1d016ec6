#!/usr/bin/python3
"""The article's run: three models at once through concurrent.futures' process pool.

    article.py TABLES CORES

A line in: `article/FOREST_JOBS SECONDS`; a line out: {"seconds": per run, "r2": of the forest}.
"""
import json
import pathlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor

FOLDER, CORES = pathlib.Path(sys.argv[1]), int(sys.argv[2])


def load(part):
    numbers = np.fromfile(FOLDER / f"20640x8.{part}.f64").reshape(9, -1)
    return np.ascontiguousarray(numbers[:8].T), numbers[8].copy()


x, y = load("train")
x_test, y_test = load("test")


def train(model):
    return model.fit(x, y)


if __name__ == "__main__":
    print("{}", flush=True)
    for line in sys.stdin:
        what, least = line.split()
        jobs, runs, start = int(what.split("/")[1]), 0, time.perf_counter()
        while True:
            with ProcessPoolExecutor(CORES) as pool:
                fitted = list(pool.map(train, [LinearRegression(), DecisionTreeRegressor(),
                                               RandomForestRegressor(n_jobs=jobs)]))
            runs += 1
            taken = time.perf_counter() - start
            if taken >= float(least):
                break
        print(json.dumps({"seconds": taken / runs,
                          "r2": r2_score(y_test, fitted[2].predict(x_test))}), flush=True)
