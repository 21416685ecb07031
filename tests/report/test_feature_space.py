import numpy as np
import pytest
from matplotlib.figure import Figure

from vitreous.cli.main import main
from vitreous.report.feature_space import draw_panels, feature_panels, print_panels


def test_numbers_are_those_of_the_features(blobs_store):
    store = blobs_store(clips=6, seed=1)
    (found,) = feature_panels([store])
    x = store.batch(range(6)).double()
    assert found.name == "coloured_patches"
    assert found.pictures == 6
    assert found.numbers["norm"] == pytest.approx(x.norm(dim=3).mean().item())
    assert found.numbers["spatial"] == pytest.approx(x.flatten(1, 2).var(1, correction=0).mean().item())
    assert found.numbers["pca95"] <= 3  # colours, through a matrix
    assert found.numbers["dim"] == 8
    deviation = x.flatten(0, 2).std(0, correction=0).square().mean().sqrt()
    away = (x.mean(0) - x.mean((0, 1, 2))).square().mean(2).sqrt() / deviation
    np.testing.assert_allclose(found.position, away.numpy())
    assert np.square(found.position).mean() == pytest.approx(found.summary.position_share)


def test_panels_of_one_backbone_are_told_apart_by_their_store(blobs_store):
    found = feature_panels([blobs_store(clips=6, seed=1), blobs_store(clips=3, seed=2)], pictures=2)
    assert [p.name for p in found] == ["coloured_patches (blobs1.lance)", "coloured_patches (blobs2.lance)"]
    assert [p.pictures for p in found] == [2, 2]
    lines = print_panels(found).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    assert "position share" in lines[0]
    figure = draw_panels(found)
    assert isinstance(figure, Figure)
    bars = figure.subfigs[0].axes[0].patches
    assert [bar.get_width() for bar in bars] == [p.numbers["std"] for p in found]


def test_the_command_takes_many_stores(blobs_store, tmp_path, capsys):
    stores = [str(blobs_store(clips=6, seed=1).path), str(blobs_store(clips=3, seed=2).path)]
    assert main(["backbones", "panel", *stores, "--out", str(tmp_path / "new" / "panel.png")]) == 0
    assert "coloured_patches (blobs2.lance)" in capsys.readouterr().out
    assert (tmp_path / "new" / "panel.png").stat().st_size > 10_000
