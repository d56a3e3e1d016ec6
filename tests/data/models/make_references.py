#!/usr/bin/python3
"""Writes what scikit-learn (Debian's 1.2.1) makes of small tables, for tests/models to compare with.

    /usr/bin/python3 tests/data/models/make_references.py

Every number is written so that it reads back as the same double.
"""
import json
import pathlib

import numpy as np
from sklearn import datasets
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier,
                              RandomForestRegressor)
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, f1_score, log_loss,
                             mean_absolute_error, mean_absolute_percentage_error,
                             mean_squared_error, r2_score, roc_auc_score)
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

HERE = pathlib.Path(__file__).parent


def columns(x):
    return [[float(v) for v in x[:, j]] for j in range(x.shape[1])]


def numbers(values):
    return [float(v) for v in values]


def write(name, value):
    text = json.dumps(value, indent=None, separators=(",", ":"))
    (HERE / name).write_text(text + "\n")


def minimum_norm(x, y, fit_intercept=True):
    """The minimum-norm solution with today's rank rule, max(n, p) eps: 1.2.1 cuts at eps alone,
    which takes rounding noise for a column."""
    x_mean, y_mean = (x.mean(axis=0), y.mean()) if fit_intercept else (np.zeros(x.shape[1]), 0.0)
    coef = np.linalg.lstsq(x - x_mean, y - y_mean, rcond=max(x.shape) * np.finfo(float).eps)[0]
    return coef, float(y_mean - x_mean @ coef)


def linear():
    r = np.random.default_rng(3)
    n, p = 60, 5
    x = r.standard_normal((n, p))
    y = x @ np.array([3.0, -2.0, 0.5, 0.0, 1.0]) + 4.0 + 0.1 * r.standard_normal(n)
    dummies = np.eye(4)[r.integers(0, 4, n)]
    other = np.eye(3)[r.integers(0, 3, n)]
    polynomial = np.vander(np.linspace(0, 1, n), 8, increasing=True)[:, 1:]
    cases = {
        "well_conditioned": x,
        "collinear": np.column_stack([x, x[:, 0] + x[:, 1] - 2 * x[:, 2]]),
        "duplicated_columns": np.column_stack([x, x[:, 1], x[:, 1], x[:, 3]]),
        "more_columns_than_rows": r.standard_normal((n, 90)),
        "constant_column": np.column_stack([x, np.full(n, 0.1)]),
        "offset_1e9": x + 1e9,
        "column_scaled_1e-12": x * np.array([1.0, 1e-12, 1.0, 1.0, 1.0]),
        "one_hot": np.column_stack([x[:, :2], dummies, other]),
        "one_hot_and_duplicate": np.column_stack([x[:, :2], dummies, x[:, 0]]),
        "nearly_collinear_1e-4": np.column_stack([x, x[:, 0] + 1e-4 * r.standard_normal(n)]),
        "nearly_collinear_1e-6": np.column_stack([x, x[:, 0] + 1e-6 * r.standard_normal(n)]),
        "nearly_collinear_1e-8": np.column_stack([x, x[:, 0] + 1e-8 * r.standard_normal(n)]),
        "polynomial": polynomial,
    }
    blocks = {"one_hot": [[2, 4], [6, 3]], "one_hot_and_duplicate": [[2, 4]]}
    deficient = {"collinear", "duplicated_columns", "one_hot", "one_hot_and_duplicate",
                 "more_columns_than_rows"}
    out = []
    for name, table in cases.items():
        model = LinearRegression().fit(table, y)
        coef, intercept = model.coef_, float(model.intercept_)
        if name in deficient:
            coef, intercept = minimum_norm(table, y)
        if name == "column_scaled_1e-12":
            # gelsd keeps four digits of this one: solved in better units, then scaled back.
            model = LinearRegression().fit(x, y)
            coef, intercept = model.coef_ / np.array([1.0, 1e-12, 1.0, 1.0, 1.0]), model.intercept_
        out.append({
            "name": name, "x": columns(table), "y": numbers(y), "blocks": blocks.get(name, []),
            "coefficients": numbers(coef), "intercept": float(intercept),
            "predictions": numbers(table @ coef + intercept),
        })
    no_intercept = LinearRegression(fit_intercept=False).fit(x + 1.0, y)
    weights = np.round(r.uniform(0, 3, n))
    weighted = LinearRegression().fit(x, y, sample_weight=weights)
    write("linear.json", {
        "cases": out,
        "no_intercept": {"x": columns(x + 1.0), "y": numbers(y),
                         "coefficients": numbers(no_intercept.coef_)},
        "weighted": {"x": columns(x), "y": numbers(y), "weights": numbers(weights),
                     "coefficients": numbers(weighted.coef_),
                     "intercept": float(weighted.intercept_)},
    })


def in_order(t):
    """The nodes of a tree in depth-first order."""
    order, stack = [], [0]
    while stack:
        node = stack.pop()
        order.append(node)
        if t.children_left[node] != -1:
            stack += [t.children_right[node], t.children_left[node]]
    return order


def class_splits():
    """Trees of classes where no two splits of a node are equally good: any seed gives the same."""
    x, y = datasets.make_friedman1(n_samples=400, n_features=6, noise=1.0, random_state=7)
    r = np.random.default_rng(10)
    weights = r.uniform(0.5, 2.0, len(y))
    settings = [
        {"max_depth": 3},
        {"max_depth": 5, "min_samples_leaf": 12},
        {"min_samples_split": 0.25, "min_samples_leaf": 12},
        {"min_weight_fraction_leaf": 0.06},
        {"max_leaf_nodes": 9, "min_samples_leaf": 10},
        {"min_impurity_decrease": 0.02, "min_samples_leaf": 8},
        {"min_samples_leaf": 12, "ccp_alpha": 0.01},
        {"min_samples_leaf": 12, "ccp_alpha": 0.03},
        {"min_samples_leaf": 14, "class_weight": "balanced"},
    ]
    cases = []
    targets = {}
    for n_classes in (2, 4):
        edges = np.quantile(y, [0.3] if n_classes == 2 else [0.15, 0.4, 0.7])
        c = targets[n_classes] = np.searchsorted(edges, y)
        for weighted in (False, True):
            for criterion in ("gini", "entropy"):
                for params in settings:
                    w = weights if weighted else None
                    trees = [DecisionTreeClassifier(random_state=seed, criterion=criterion,
                                                    **params).fit(x, c, sample_weight=w)
                             for seed in range(12)]
                    t = trees[0].tree_
                    if any(not np.array_equal(other.tree_.feature, t.feature) or
                           not np.array_equal(other.tree_.threshold, t.threshold)
                           for other in trees):
                        continue
                    order = in_order(t)
                    shares = t.value[:, 0, :] / t.value[:, 0, :].sum(axis=1, keepdims=True)
                    leaf = [t.children_left[i] == -1 for i in order]
                    cases.append({
                        "params": {"criterion": criterion, **{k: str(v) for k, v in params.items()}},
                        "weighted": weighted, "n_classes": n_classes,
                        "feature": [-1 if leaf[k] else int(t.feature[i])
                                    for k, i in enumerate(order)],
                        "threshold": [float(t.threshold[i]) for i in order],
                        "shares": [numbers(shares[i]) if leaf[k] else []
                                   for k, i in enumerate(order)],
                        "importances": numbers(trees[0].feature_importances_),
                    })
    write("class_splits.json",
          {"x": columns(x), "y": {k: numbers(v) for k, v in targets.items()},
           "weights": numbers(weights), "cases": cases})


def forest_scores():
    """Per seed the mean score of the held-out folds, which each seed draws: to be compared in pairs."""
    tables = {
        "diabetes": (datasets.load_diabetes(return_X_y=True, scaled=False), False),
        "breast_cancer": (datasets.load_breast_cancer(return_X_y=True), True),
        "digits": (datasets.load_digits(return_X_y=True), True),
        "wine": (datasets.load_wine(return_X_y=True), True),
        "iris": (datasets.load_iris(return_X_y=True), True),
    }
    out = []
    for name, ((x, y), classes) in tables.items():
        x = np.round(x, 6)
        folds = []
        for seed in range(60 if name == "diabetes" else 20):  # small and noisy
            fold = np.zeros(len(y), int)
            split = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
            for k, (_, test) in enumerate(split.split(x, y)):
                fold[test] = k
            folds.append(fold)
        cases = []
        for model, params in (("random_forest", {}), ("extra_trees", {}),
                              ("random_forest", {"criterion": "entropy", "min_samples_leaf": 3,
                                                 "class_weight": "balanced_subsample"}),
                              ("extra_trees", {"max_features": 0.5, "min_samples_leaf": 2})):
            if "class_weight" in params and not classes:
                params = {"max_features": "sqrt", "min_samples_leaf": 3}
            make = {("random_forest", True): RandomForestClassifier,
                    ("random_forest", False): RandomForestRegressor,
                    ("extra_trees", True): ExtraTreesClassifier,
                    ("extra_trees", False): ExtraTreesRegressor}[model, classes]
            scores = []
            for seed, fold in enumerate(folds):
                scores.append(float(np.mean([
                    make(random_state=seed, n_estimators=25, **params)
                    .fit(x[fold != k], y[fold != k]).score(x[fold == k], y[fold == k])
                    for k in range(5)])))
            cases.append({"model": model, "params": {"n_estimators": "25",
                                                     **{k: str(v) for k, v in params.items()}},
                          "scores": scores})
        out.append({"name": name, "classes": classes, "x": columns(x), "y": numbers(y),
                    "folds": ["".join(map(str, fold)) for fold in folds], "cases": cases})
    write("forest_scores.json", out)


def same_splits():
    """Trees on data without ties: every split is determined."""
    x, y = datasets.make_friedman1(n_samples=300, n_features=6, noise=1.0, random_state=5)
    r = np.random.default_rng(9)
    weights = r.uniform(0.5, 2.0, len(y))
    settings = [
        {"max_depth": 4},
        {"max_depth": 6, "min_samples_leaf": 7},
        {"min_samples_split": 0.1},
        {"min_samples_leaf": 0.03},
        {"min_weight_fraction_leaf": 0.05},
        {"max_leaf_nodes": 9},
        {"max_leaf_nodes": 25, "min_samples_leaf": 4},
        {"min_impurity_decrease": 0.1},
        {"min_samples_leaf": 10, "ccp_alpha": 0.05},
        {"min_samples_leaf": 10, "ccp_alpha": 0.3},
    ]
    cases = []
    for weighted in (False, True):
        for params in settings:
            w = weights if weighted else None
            tree = DecisionTreeRegressor(random_state=0, **params).fit(x, y, sample_weight=w)
            t = tree.tree_
            order = in_order(t)
            cases.append({
                "params": {k: str(v) for k, v in params.items()}, "weighted": weighted,
                "feature": [int(t.feature[i]) if t.children_left[i] != -1 else -1 for i in order],
                "threshold": [float(t.threshold[i]) for i in order],
                "value": [float(t.value[i, 0, 0]) for i in order],
                "importances": numbers(tree.feature_importances_),
            })
    write("tree_splits.json",
          {"x": columns(x), "y": numbers(y), "weights": numbers(weights), "cases": cases})


def quality():
    """Mean r2 of the held-out folds, over seeds, with its standard error."""
    tables = {
        "diabetes": datasets.load_diabetes(return_X_y=True, scaled=False),
        "friedman1": datasets.make_friedman1(n_samples=400, n_features=8, noise=1.0, random_state=1),
        "friedman2": datasets.make_friedman2(n_samples=300, noise=50.0, random_state=2),
        "friedman3": datasets.make_friedman3(n_samples=300, noise=0.1, random_state=3),
        "wine_alcohol": (lambda d: (d[:, 1:], d[:, 0]))(datasets.load_wine().data),
        "iris_petal_width": (lambda d: (d[:, :3], d[:, 3]))(datasets.load_iris().data),
    }
    out = []
    for name, (x, y) in tables.items():
        x, y = np.round(x, 6), np.round(y, 6)
        fold = np.zeros(len(y), int)
        for k, (_, test) in enumerate(KFold(5, shuffle=True, random_state=0).split(x)):
            fold[test] = k
        cases = []
        for model, params, seeds in (
            ("decision_tree", {}, 60), ("decision_tree", {"max_depth": 4, "min_samples_leaf": 5}, 20),
            ("random_forest", {"n_estimators": 40}, 20),
            ("random_forest", {"n_estimators": 40, "max_features": "sqrt"}, 20),
            ("random_forest", {"n_estimators": 40, "max_samples": 0.5, "min_samples_leaf": 3}, 20),
        ):
            scores = []
            for seed in range(seeds):
                make = DecisionTreeRegressor if model == "decision_tree" else RandomForestRegressor
                scores.append(np.mean([
                    make(random_state=seed, **params).fit(x[fold != k], y[fold != k])
                    .score(x[fold == k], y[fold == k]) for k in range(5)]))
            cases.append({"model": model, "params": {k: str(v) for k, v in params.items()},
                          "seeds": seeds, "r2": float(np.mean(scores)),
                          "standard_error": float(np.std(scores, ddof=1) / np.sqrt(seeds))})
        out.append({"name": name, "x": columns(x), "y": numbers(y),
                    "fold": "".join(map(str, fold)), "cases": cases})
    write("quality.json", out)


def metrics():
    r = np.random.default_rng(4)
    cases = []
    for offset in (0.0, 1e6):
        for weighted in (False, True):
            truth = r.standard_normal(50) + offset
            seen = truth + 0.3 * r.standard_normal(50)
            w = r.uniform(0.0, 3.0, 50) if weighted else None
            cases.append({
                "name": f"numbers around {offset:g}{', weighted' if weighted else ''}",
                "truth": numbers(truth), "seen": numbers(seen), "classes": 0, "positive": 1,
                "weights": [] if w is None else numbers(w), "probabilities": [],
                "expected": {
                    "r2": r2_score(truth, seen, sample_weight=w),
                    "rmse": float(np.sqrt(mean_squared_error(truth, seen, sample_weight=w))),
                    "mae": float(mean_absolute_error(truth, seen, sample_weight=w)),
                    "mape": float(mean_absolute_percentage_error(truth, seen, sample_weight=w))}})
    for classes in (2, 3, 5):
        for weighted in (False, True):
            for positive in (1, 0) if classes == 2 else (1,):
                n = 80
                truth = r.integers(0, classes, n)
                scores = r.standard_normal((n, classes))
                scores[np.arange(n), truth] += 1.0
                p = np.exp(scores)
                # Ties: some rows share their probabilities, and some are certain.
                p[10:20] = p[10]
                p[20:24] = np.eye(classes)[r.integers(0, classes, 4)]
                p /= p.sum(axis=1, keepdims=True)
                seen = p.argmax(axis=1)
                w = r.uniform(0.1, 3.0, n) if weighted else None
                labels = list(range(classes))
                if classes == 2:
                    f1 = f1_score(truth, seen, pos_label=positive, sample_weight=w)
                    auc = roc_auc_score(truth == positive, p[:, positive], sample_weight=w)
                else:
                    f1 = f1_score(truth, seen, average="macro", sample_weight=w)
                    # Its own multiclass average takes no weights.
                    auc = np.mean([roc_auc_score(truth == c, p[:, c], sample_weight=w)
                                   for c in labels])
                    if w is None:
                        assert np.isclose(auc, roc_auc_score(truth, p, multi_class="ovr"))
                cases.append({
                    "name": f"{classes} classes, {positive} positive{', weighted' if weighted else ''}",
                    "truth": numbers(truth), "seen": numbers(seen), "classes": classes,
                    "positive": positive, "weights": [] if w is None else numbers(w),
                    "probabilities": numbers(p.ravel()),
                    "expected": {
                        "accuracy": float(accuracy_score(truth, seen, sample_weight=w)),
                        "balanced_accuracy": float(
                            balanced_accuracy_score(truth, seen, sample_weight=w)),
                        "f1": float(f1), "roc_auc": float(auc),
                        "log_loss": float(log_loss(truth, p, labels=labels, sample_weight=w))}})
    write("metrics.json", cases)


if __name__ == "__main__":
    linear()
    same_splits()
    class_splits()
    metrics()
    quality()
    forest_scores()
