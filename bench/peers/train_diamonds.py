#!/usr/bin/python3
"""What `mutirao train` does to the diamonds, in scikit-learn: three models, five folds, a last fit.

    train_diamonds.py TABLE CORES

Text is one-hot coded for the linear model and in codes for the trees. Prints {"r2": of the forest,
"scores": of each} when all is done.
"""
import csv
import gzip
import json
import sys

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

TABLE, CORES = sys.argv[1], int(sys.argv[2])
with gzip.open(TABLE, "rt") as stream:
    header, *rows = csv.reader(stream)
columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
y = np.array(columns.pop("price"), float)
text = [i for i, values in enumerate(columns.values()) if not values[0].replace(".", "").isdigit()]
table = np.empty((len(rows), len(columns)), object)
for i, values in enumerate(columns.values()):
    table[:, i] = values if i in text else np.array(values, float)


def with_codes(model):
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((codes, text), remainder="passthrough"), model)


models = {
    "linear_regression": make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), text),
                                remainder="passthrough", sparse_threshold=0), LinearRegression()),
    "decision_tree": with_codes(DecisionTreeRegressor(random_state=0)),
    "random_forest": with_codes(RandomForestRegressor(n_jobs=CORES, random_state=0)),
}
folds = KFold(5, shuffle=True, random_state=0)
scores = {name: cross_val_score(model, table, y, cv=folds).mean() for name, model in models.items()}
for model in models.values():
    model.fit(table, y)
print(json.dumps({"r2": scores["random_forest"], "scores": scores}))
