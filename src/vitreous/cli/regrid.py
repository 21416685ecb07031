"""vitreous regrid"""

from pathlib import Path


def regrid(run: Path, grid: str, out: Path | None = None) -> None:
    """Write a run for another grid, with the same weights: trained on 16x16 patches, say, and used on 32x32.

    Training on few patches is quick; more of them give finer masks and see smaller things. A method whose weights
    belong to places of its grid is refused, by the weights' names.

    Args:
        run: Folder written by `vitreous train`, or the name of a run that comes with the package.
        grid: Patches per side: 32, or 16x24 for 16 rows of 24.
        out: The new run; default: the run's name and the grid's, here.
    """
    from vitreous.errors import RunError
    from vitreous.features.preprocess import sides
    from vitreous.runs import Run

    h, w = sides(grid)
    out = out or Path(f"{run.name}_{h}x{w}")
    if out.exists():
        raise RunError(f"{out} is there already. Say --out with another name, or remove it.")
    old = Run.load(run)
    old.on_grid((h, w), out).save()
    name = old.recipe.backbone["name"]
    print(f"run    {out}: {old.recipe.method}, {old.recipe.grid[0]} x {old.recipe.grid[1]} -> {h} x {w} patches")
    print(f"Next:  vitreous extract PICTURES --out STORE --backbone {name} --grid {grid}")
    print(f"       vitreous score {out} STORE")
