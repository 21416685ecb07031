"""The commands that a page prints make the run and its scores again."""

from dataclasses import replace

from vitreous.report.compare import compare
from vitreous.report.page_parts.commands import score_command, train_commands
from vitreous.report.scored import read_scored
from vitreous.runs import read_recipe, write_recipe


def regridded(folder):
    """As `vitreous regrid` leaves it: trained on 4x4 patches."""
    recipe = read_recipe(folder)
    write_recipe(folder, replace(recipe, source=recipe.source | {"grid": "4x4"}))
    return folder


def test_a_run_from_another_grid_was_trained_there(scored):
    folder = regridded(scored("a"))
    train, regrid = train_commands(read_scored(folder))
    assert train.startswith("vitreous train STORE_OF_other_4x4 --out RUN_4x4 --method dinosaur")
    assert regrid == f"vitreous regrid RUN_4x4 8x8 --out {folder}"
    assert len(train_commands(read_scored(scored("b")))) == 1


def test_it_is_no_seed_of_one_that_was_trained_here(scored):
    found = compare([regridded(scored("a")), scored("b", seed=1)])
    assert len(found.groups) == 2
    assert "trained grid" in found.settings.columns


def test_pruned_and_apart_are_scored_so_again(scored):
    run = read_scored(scored("a", conventions={"apart": 0.004}))
    assert score_command(replace(run, pruned=0.06)).endswith("--prune 0.06 --apart 0.004")
    assert "--apart" not in score_command(read_scored(scored("b")))
    assert "--prune" not in score_command(read_scored(scored("b2")))
