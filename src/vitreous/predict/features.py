"""Features of the pictures of a table, made as a regression run needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vitreous.backbones import load_backbone, load_described
from vitreous.data.listed import ListedPictures
from vitreous.errors import VitreousError
from vitreous.features.extract import extract
from vitreous.features.format import Maker
from vitreous.features.store import FeatureStore
from vitreous.features.whole import ClassToken
from vitreous.regress.run import Recipe


@dataclass(frozen=True)
class FeatureMaker:
    """Which backbone sees pictures, and how.

    backbone  preset, hub id or folder; or what a store says of the one that made it
    token     keep the class token alone, see features/whole.py
    """

    backbone: str | dict[str, Any]
    grid: tuple[int, int]
    layer: int | None = None
    fit: str = "squash"
    keep_side: int = 1024
    token: bool = False
    device: str = "auto"

    @staticmethod
    def of(recipe: Recipe, device: str = "auto") -> "FeatureMaker":
        """As a run was trained."""
        token = recipe.backbone.get("facet") == "cls"
        h, w = recipe.backbone["inside"] if token else recipe.grid
        return FeatureMaker(recipe.backbone, (h, w), None, recipe.fit, recipe.keep_side, token, device)

    def model(self) -> Maker:
        if isinstance(self.backbone, str):
            found = load_backbone(self.backbone, layer=self.layer, device=self.device)
        else:
            told = self.backbone | ({"facet": "token"} if self.token else {})
            found = load_described(told, device=self.device)
        return ClassToken(found, self.grid) if self.token else found

    def store(
        self,
        path: Path,
        root: Path,
        names: Sequence[str],
        views: Sequence[str],
        on_error: Literal["raise", "skip"] = "raise",
        *,
        progress: bool = True,
    ) -> FeatureStore:
        """Fill a store, or go on with it; what was made for other pictures or views is refused by `extract`."""
        if self.fit == "crop" and any(view.startswith("crop:") for view in views):
            raise VitreousError("Tiles cut the picture already; with --tiles, leave --fit at squash.")
        grid = (1, 1) if self.token else self.grid
        return extract(
            ListedPictures(root, names, on_error),
            path,
            self.model(),
            grid=grid,
            fit=self.fit,
            views=views,
            on_error=on_error,
            keep_side=self.keep_side,
            progress=progress,
        )
