#!/usr/bin/python3
"""The peer of bench/plan: 20 forests, 3 linear models and 3 trees on the diamonds, 5 folds each and a
final fit, as users of scikit-learn write it: one joblib job per fit, all cores.

    many_models.py DATA CORES FORESTS
"""
import csv
import gzip
import json
import sys
import time

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

data, cores, forests = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
start = time.perf_counter()
with gzip.open(data, "rt") as stream:
    header, *rows = csv.reader(stream)
columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
y = np.array(columns.pop("price"), float)
is_text = {name: not values[0].replace(".", "").isdigit() for name, values in columns.items()}
text = np.array([columns[name] for name in columns if is_text[name]]).T
numbers = np.array([columns[name] for name in columns if not is_text[name]], float).T
one_hot = np.hstack([numbers, OneHotEncoder(sparse_output=False).fit_transform(text)])
codes = np.hstack([numbers, OrdinalEncoder().fit_transform(text)])

models = {"linear_regression": (LinearRegression(), one_hot),
          "ridge": (make_pipeline(StandardScaler(), Ridge()), one_hot),
          "lasso": (make_pipeline(StandardScaler(), Lasso()), one_hot)}
for depth in (None, 8, 16):
    models[f"tree_{depth}"] = (DecisionTreeRegressor(max_depth=depth, random_state=0), codes)
for trees in forests:
    models[f"forest_{trees}"] = (RandomForestRegressor(trees, random_state=0), codes)


def fit(model, x, train, test):
    model = clone(model).fit(x[train], y[train])
    return r2_score(y[test], model.predict(x[test])) if test is not None else model


everything = np.arange(len(y))
splits = [*KFold(5, shuffle=True, random_state=0).split(codes), (everything, None)]
results = joblib.Parallel(n_jobs=cores)(
    joblib.delayed(fit)(model, x, train, test)
    for model, x in models.values() for train, test in splits)
scores = {name: float(np.mean(results[6 * i:6 * i + 5])) for i, name in enumerate(models)}
print(json.dumps({"seconds": time.perf_counter() - start, "scores": scores}))
