"""Measure instead of finding: how much of a picture do objects cover? Every patch votes, the votes are averaged.

python examples/05_dense_regression.py

With a table of numbers and a folder of pictures it is one command:  vitreous regress fit --table numbers.csv
"""

import numpy as np

import vitreous as vt
from vitreous.data import open_source
from vitreous.data.mini import MINI


def percent_covered(store: vt.FeatureStore) -> np.ndarray:
    """The truth, from the ids of the rendered scenes: 0 is the floor."""
    return np.array([100 * (store.frame(row).ids > 0).mean() for row in range(len(store))])


train = vt.extract(open_source(MINI, split="train"), "train.lance")
test = vt.extract(open_source(MINI, split="test"), "test.lance")

model = vt.DenseRegressor(epochs=10, lr=1e-2).fit(train, percent_covered(train))
print(f"R² on pictures that no head had seen while learning: {model.out_of_fold_score_:.2f}")

true, told = percent_covered(test), model.predict(test)
print(f"R² on the test pictures: {model.score(test, true):.2f}")
for key, one, other in list(zip(test.keys, true, told, strict=True))[:6]:
    print(f"  {key}: {one:5.1f} % covered, told {other:5.1f} %")
