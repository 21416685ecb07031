"""Measure instead of finding: how much of a picture is metal? Every patch votes, the votes are averaged.

python examples/05_dense_regression.py

With a table of numbers and a folder of pictures it is one command:  vitreous regress fit --table numbers.csv
"""

import numpy as np

import vitreous as vt
from vitreous.data import open_source
from vitreous.data.mini import MINI


def percent_of_metal(store: vt.FeatureStore) -> np.ndarray:
    """The truth, from the ids and materials of the rendered scenes."""
    numbers = []
    for row, key in enumerate(store.keys):
        metal = [one["id"] for one in store.instances(key) or [] if one["material"] == "metal"]
        numbers.append(100 * np.isin(store.frame(row).ids, metal).mean())
    return np.array(numbers)


train = vt.extract(open_source(MINI, split="train"), "train.lance")
test = vt.extract(open_source(MINI, split="test"), "test.lance")

model = vt.DenseRegressor(epochs=10).fit(train, percent_of_metal(train))
print(f"R² on pictures that no head had seen while learning: {model.out_of_fold_score_:.2f}")

true, told = percent_of_metal(test), model.predict(test)
print(f"R² on the test pictures: {model.score(test, true):.2f}")
for key, one, other in list(zip(test.keys, true, told, strict=True))[:6]:
    print(f"  {key}: {one:5.1f} % metal, told {other:5.1f} %")
