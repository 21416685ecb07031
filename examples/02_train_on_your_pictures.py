"""Train a slot model on a folder of pictures, which nobody has labelled, and use it.

python examples/02_train_on_your_pictures.py                                  embedded scenes
python examples/02_train_on_your_pictures.py FOLDER                           yours
python examples/02_train_on_your_pictures.py FOLDER dinov2_vits14             through DINOv2, once it is downloaded
"""

import sys

import vitreous as vt
from vitreous.data.mini import MINI

folder = sys.argv[1] if len(sys.argv) > 1 else MINI / "train"
backbone = sys.argv[2] if len(sys.argv) > 2 else "glass_tiny"

store = vt.extract(vt.open_source(folder), "pictures.lance", backbone)  # once; another run reads it again
print(f"{len(store)} pictures; {store.stats.position_share:.0%} of the variance is position")

run = vt.train(store, "run", slots=11, steps=50)
print(f"{run.folder}: {run.recipe.method}, {run.recipe.config['slots']} slots")

found = vt.segment([store.picture(row).image for row in range(6)], run, refine=True)
found.sheet().save("found.png")
print("Look at  found.png  and  run/training_history.png")
