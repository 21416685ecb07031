"""Use an exported run where vitreous is not: onnxruntime, numpy and Pillow are enough.

vitreous export still --out still.onnx                              once, where vitreous is
python examples/07_onnx_without_vitreous.py still.onnx PICTURE      anywhere
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, picture = sys.argv[1:3]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["vitreous"])  # sizes and meanings travel in the file
_, height, width, _ = about["input"]["shape"]

image = ImageOps.exif_transpose(Image.open(picture)).convert("RGB")
if about["input"]["fit"] == "crop":  # the middle, with the proportions of what the model saw
    image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
labels, shares, slots = session.run(None, {"pictures": pixels[None]})  # a batch of one; any number will do

for number in np.unique(labels[0]):
    print(f"slot {number}: {(labels[0] == number).mean():6.1%} of the picture")
colours = np.random.default_rng(0).integers(60, 256, (shares.shape[1], 3))
Image.fromarray((0.5 * pixels + 0.5 * colours[labels[0]]).astype(np.uint8)).save("objects.png")
