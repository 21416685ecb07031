"""Which views of a picture are looked at and averaged, in training and at test time alike."""

from vitreous.errors import VitreousError
from vitreous.features.views import TURNS, check_views

SIX = tuple(f"{turn}+blur:5" for turn in TURNS)
# as the public notebook runs them: its "90 degrees" is any angle from -90 to 90, and the blur's width is drawn
SIX_AS_PUBLISHED = tuple(
    f"{turn}+blur:5,random" for turn in ("identity", "hflip", "vflip", "hvflip", "turn:90", "turn:270")
)
SETS = {"six": SIX, "six_as_published": SIX_AS_PUBLISHED, "turns": tuple(TURNS)}


def view_list(text: str, tiles: tuple[int, int] = (1, 1)) -> tuple[str, ...]:
    """Views to store: the name of a set or views apart by blanks, each cut into (rows, columns) of tiles.

    >>> view_list("identity hflip", (1, 2))
    ('crop:0,0,0.5,1', 'crop:0.5,0,1,1', 'crop:0,0,0.5,1+hflip', 'crop:0.5,0,1,1+hflip')
    """
    kinds = check_views(SETS.get(text) or tuple(text.split()))
    rows, columns = tiles
    if rows < 1 or columns < 1:
        raise VitreousError(f"Tiles must be at least 1 x 1, not {rows} x {columns}.")
    if tiles == (1, 1):
        return kinds
    boxes = [(c / columns, r / rows, (c + 1) / columns, (r + 1) / rows) for r in range(rows) for c in range(columns)]
    crops = ["crop:" + ",".join(f"{side:.6g}" for side in box) for box in boxes]
    return check_views(tuple(crop if kind == "identity" else f"{crop}+{kind}" for kind in kinds for crop in crops))
