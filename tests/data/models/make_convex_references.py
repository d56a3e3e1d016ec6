#!/usr/bin/python3
"""Writes the least objectives that scikit-learn (Debian's 1.2.1) reaches, for tests/models to reach.

    /usr/bin/python3 tests/data/models/make_convex_references.py

Six real tables; columns are standardised here as the test does it. Objectives are those of
scikit-learn's documentation, computed at its solution with tolerances far below its defaults.
"""
import gzip
import json
import pathlib
import warnings

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

HERE = pathlib.Path(__file__).parent
DIAMONDS = HERE.parents[2] / "examples/data/diamonds.csv.gz"


def diamonds(rows):
    text = gzip.decompress(DIAMONDS.read_bytes()).decode()
    lines = [line.replace('"', "").split(",") for line in text.splitlines()]
    place = {name: j for j, name in enumerate(lines[0])}
    chosen = [lines[1 + i] for i in np.random.default_rng(0).choice(len(lines) - 1, rows, False)]
    numbers = np.array([[float(row[place[name]]) for name in ("carat", "depth", "table", "x", "y", "z")]
                        for row in chosen])
    price = np.array([float(row[place["price"]]) for row in chosen])
    cuts = sorted({row[place["cut"]] for row in chosen})
    return numbers, price, np.array([cuts.index(row[place["cut"]]) for row in chosen])


def tables():
    """name -> x, a target of numbers, a target of classes."""
    breast, digits = datasets.load_breast_cancer(), datasets.load_digits()
    wine, iris = datasets.load_wine(), datasets.load_iris()
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    found = {
        "diabetes": (x, y, (y > np.median(y)).astype(int)),
        "breast_cancer": (breast.data[:, 1:], breast.data[:, 0], breast.target),
        "digits": (digits.data[:400], digits.target[:400].astype(float), digits.target[:400]),
        "wine": (wine.data[:, 1:], wine.data[:, 0], wine.target),
        "iris": (iris.data[:, :3], iris.data[:, 3], iris.target),
        "diamonds": diamonds(500),
    }
    return {name: (np.round(x, 6), np.round(y, 6), c) for name, (x, y, c) in found.items()}


def standardised(x):
    scale = x.std(axis=0)
    constant = np.ptp(x, axis=0) == 0
    return np.where(constant, 0.0, (x - x.mean(axis=0)) / np.where(constant, 1.0, scale))


def regression_objective(model, params, x, y, w):
    r = y - x @ model.coef_ - model.intercept_
    b = model.coef_
    if isinstance(model, Ridge):
        return (w * r * r).sum() + params["alpha"] * (b * b).sum()
    ratio = params.get("l1_ratio", 1.0)
    return ((w * r * r).sum() / (2 * w.sum()) + params["alpha"] * ratio * np.abs(b).sum()
            + params["alpha"] * (1 - ratio) * (b * b).sum() / 2)


def log_loss(model, params, x, c, w):
    z = model.decision_function(x)
    z = np.column_stack([np.zeros_like(z), z]) if z.ndim == 1 else z
    top = z.max(axis=1)
    loss = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(c)), c]
    penalty = 0.0 if params["penalty"] is None else (model.coef_ ** 2).sum() / 2
    return params["C"] * (w * loss).sum() + penalty


def main():
    out = []
    for name, (raw, y, classes) in tables().items():
        x = standardised(raw)
        n = len(y)
        weights = np.random.default_rng(1).integers(0, 4, n).astype(float)
        top = float(np.abs(x.T @ (y - y.mean())).max() / n)  # the alpha that makes all 0
        cases = []

        def add(kind, model, params, weighted, objective):
            cases.append({"model": kind, "params": {k: str(v).lower() for k, v in params.items()},
                          "weighted": weighted, "objective": float(objective)})

        for weighted in (False, True):
            w = weights if weighted else np.ones(n)
            for alpha in (1e-3, 1.0, 100.0):
                params = {"alpha": alpha}
                model = Ridge(solver="svd", **params).fit(x, y, sample_weight=w)
                add("ridge", model, params, weighted, regression_objective(model, params, x, y, w))
            for share in (0.5, 0.05, 0.005):
                for make, kind, more in ((Lasso, "lasso", {}), (ElasticNet, "elastic_net", {}),
                                         (ElasticNet, "elastic_net", {"l1_ratio": 0.1})):
                    params = {"alpha": share * top, **more}
                    model = make(tol=1e-13, max_iter=10**6, **params).fit(x, y, sample_weight=w)
                    given = {"l1_ratio": 0.5, **params} if make is ElasticNet else params
                    add(kind, model, given, weighted, regression_objective(model, given, x, y, w))
        for params, weighted in (({"C": 1.0}, False), ({"C": 0.01}, False), ({"C": 100.0}, False),
                                 ({"C": 1.0}, True), ({"C": 1.0, "class_weight": "balanced"}, False),
                                 ({"C": 1.0, "fit_intercept": False}, False)):
            params = {"penalty": "l2", **params}
            w = weights if weighted else np.ones(n)
            effective = w * (n / (len(set(classes)) * np.bincount(classes)))[classes] \
                if params.get("class_weight") else w
            reached = []
            for solver in ("lbfgs", "newton-cg"):  # either may end at what it cannot improve
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model = LogisticRegression(solver=solver, tol=1e-8, max_iter=10**4, **params)
                    model.fit(x, classes, sample_weight=w)
                reached.append(log_loss(model, params, x, classes, effective))
            add("logistic_regression", model, params, weighted, min(reached))
        out.append({"name": name, "x": [[float(v) for v in column] for column in raw.T],
                    "y": [float(v) for v in y], "classes": [int(c) for c in classes],
                    "weights": [float(v) for v in weights], "cases": cases})
    (HERE / "convex.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
