#!/usr/bin/python3
"""scikit-learn's side of bench/run: fits and predicts what it is told to on stdin.

    models.py TABLES CORES
    models.py TABLES CORES random_forest/100000x20     fits once; prints the seconds and the bytes of
                                                       memory that the fit took beyond its table

A line in: `fit/random_forest/20640x8 0.3`: what, and for how many seconds at least to repeat it.
`predict_row` predicts one row a call; `load` reads a pickle, written before, and predicts one row.
A line out: {"seconds": per run, "r2": on the held-out table, for classes the accuracy}, for `load` with the pickle's "bytes". The first line out
says the versions.
"""
import json
import pathlib
import pickle
import sys
import tempfile
import time
import warnings

import numpy as np
import scipy
import sklearn
import threadpoolctl
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

# Of the digits, whose regression ends after 100 iterations, once a fit.
warnings.simplefilter("ignore", ConvergenceWarning)
FOLDER, CORES = pathlib.Path(sys.argv[1]), int(sys.argv[2])
MODELS = {
    "linear_regression": lambda: LinearRegression(n_jobs=CORES),
    "ridge": lambda: Ridge(),
    "lasso": lambda: Lasso(),
    "elastic_net": lambda: ElasticNet(),
    # n_jobs would start processes; BLAS has the cores as it is.
    "logistic_regression_binary": lambda: LogisticRegression(),
    "logistic_regression_classes": lambda: LogisticRegression(),
    "logistic_regression_to_the_end": lambda: LogisticRegression(max_iter=10000),
    "k_neighbors": lambda: KNeighborsRegressor(n_jobs=CORES),
    "k_neighbors_classes": lambda: KNeighborsClassifier(n_jobs=CORES),
    "gradient_boosting": lambda: HistGradientBoostingRegressor(random_state=0),
    "gradient_boosting_classes": lambda: HistGradientBoostingClassifier(random_state=0),
    "decision_tree": lambda: DecisionTreeRegressor(random_state=0),
    "decision_tree_classes": lambda: DecisionTreeClassifier(random_state=0),
    "random_forest": lambda: RandomForestRegressor(n_jobs=CORES, random_state=0),
    "random_forest_third": lambda: RandomForestRegressor(max_features=1 / 3, n_jobs=CORES,
                                                         random_state=0),
    "random_forest_classes": lambda: RandomForestClassifier(n_jobs=CORES, random_state=0),
    "extra_trees": lambda: ExtraTreesRegressor(n_jobs=CORES, random_state=0),
    "extra_trees_classes": lambda: ExtraTreesClassifier(n_jobs=CORES, random_state=0),
    "random_forest_10": lambda: RandomForestRegressor(10, n_jobs=CORES, random_state=0),
    "hist_gradient_boosting": lambda: HistGradientBoostingRegressor(random_state=0),
}


def load(size, part):
    columns = int(size.split("x")[1])
    numbers = np.fromfile(FOLDER / f"{size}.{part}.f64").reshape(columns + 1, -1)
    return np.ascontiguousarray(numbers[:columns].T), numbers[columns].copy()


def repeat(seconds, run):
    """Seconds per run, and what the last run gave."""
    runs, start = 0, time.perf_counter()
    while True:
        result = run()
        runs += 1
        taken = time.perf_counter() - start
        if taken >= seconds:
            return taken / runs, result


def memory(field):
    """A number of kB from /proc/self/status, in bytes."""
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status")
                if line.startswith(field + ":"))


if len(sys.argv) > 3:
    model, size = sys.argv[3].split("/")
    x, y = load(size, "train")
    MODELS[model]().fit(x[:1000], y[:1000])  # loads what a fit needs
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # it is now
    before, start = memory("VmRSS"), time.perf_counter()
    MODELS[model]().fit(x, y)
    print(json.dumps({"seconds": time.perf_counter() - start, "bytes": memory("VmHWM") - before}))
    sys.exit()

tables, fitted = {}, {}
blas = [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
print(json.dumps({
    "python": sys.version.split()[0], "scikit-learn": sklearn.__version__,
    "numpy": np.__version__, "scipy": scipy.__version__,
    "blas": " ".join(f"{b['internal_api']} {b['version']} ({b['architecture']}, "
                     f"{b['num_threads']} threads)" for b in blas) or "reference",
}), flush=True)
for line in sys.stdin:
    what, seconds = line.split()
    action, model, size = what.split("/")
    if size not in tables:
        tables[size] = load(size, "train"), load(size, "test")
    (x, y), (x_test, y_test) = tables[size]
    score = r2_score
    if size == "1347x64":  # the digits
        score = accuracy_score
    elif model.endswith("_binary"):
        score = accuracy_score
        y, y_test = (1 * (target > 15.0) for target in (y, y_test))
    elif model.endswith("_classes"):
        score = accuracy_score
        y, y_test = (1 * (target > 15.0) + (target > 40.0) for target in (y, y_test))
    if action == "fit":
        taken, estimator = repeat(float(seconds), lambda: MODELS[model]().fit(x, y))
        fitted = {(model, size): estimator}
        predicted = estimator.predict(x_test)
    else:
        if (model, size) not in fitted:
            fitted = {(model, size): MODELS[model]().fit(x, y)}
        estimator = fitted[model, size]
        extra, predicted = {}, None
        if action == "predict_row":
            taken, _ = repeat(float(seconds), lambda: estimator.predict(x_test[:1]))
        elif action == "load":
            with tempfile.NamedTemporaryFile() as file:
                pickle.dump(estimator, file, protocol=5)
                file.flush()
                extra["bytes"] = file.tell()

                def load_and_predict():
                    with open(file.name, "rb") as stream:
                        return pickle.load(stream).predict(x_test[:1])
                taken, _ = repeat(float(seconds), load_and_predict)
        else:
            taken, predicted = repeat(float(seconds), lambda: estimator.predict(x_test))
        if predicted is None:
            print(json.dumps({"seconds": taken, "r2": None, **extra}), flush=True)
            continue
    print(json.dumps({"seconds": taken, "r2": score(y_test, predicted)}), flush=True)
