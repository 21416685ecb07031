"""Find the objects in a picture, with the run that comes with the package.

python examples/01_segment_a_picture.py                 a scene that the package carries
python examples/01_segment_a_picture.py PICTURE         yours: a tabletop does best; for photographs see 02
"""

import sys

import vitreous as vt
from vitreous.data.mini import MINI

picture = sys.argv[1] if len(sys.argv) > 1 else MINI / "test" / "clip_00005" / "rgb" / "0000.png"
found = vt.segment(picture, refine=True)

print(found)
for number in found.present:
    print(f"  slot {number}: {found.masks[number].mean():6.1%} of the picture")

found.sheet().save("segments.png")
found.save("masks", ["labels", "overlay", "objects", "coco"])
print("Look at  segments.png  and  masks/")
