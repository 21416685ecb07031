import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from vitreous.cli.main import main
from vitreous.errors import RunError
from vitreous.report.neighbours import Neighbours, crop, neighbour_sheet, neighbours, window
from vitreous.report.slot_figures import colours, draw_space
from vitreous.report.slot_space import SlotSpace, collect, place, print_clusters, shown, slot_space, write_slots
from vitreous.train.fit import fit
from vitreous.train.module import Training


@pytest.fixture(scope="module")
def run(blobs_store, tmp_path_factory):
    config = dict(slots=4, slot_dim=16, decoder_width=16, decoder_layers=2)
    folder, training = tmp_path_factory.mktemp("runs") / "blobs", Training(steps=5, batch_size=4)
    return fit(blobs_store(), folder, "dinosaur", config, training, precision="32-true", device="cpu", progress=False)


@pytest.fixture(scope="module")
def store(blobs_store):
    return blobs_store(clips=6, seed=1)


@pytest.fixture(scope="module")
def space(run, store):
    return slot_space(run, store, clusters=(2, 4))


def groups(sizes, clips=None, width=5, seed=0):
    """A space of tight groups of slots, without the truth."""
    draw, labels = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    slots = 3 * np.eye(width)[labels] + 0.05 * draw.standard_normal((len(labels), width))
    table = pd.DataFrame({"key": clips or [f"clip{i}" for i in range(len(labels))], "share": 0.1, "row": 0, "slot": 0})
    return SlotSpace(slots.astype(np.float32), table, pd.DataFrame(), {}), labels


def test_a_line_per_slot_that_owns_something_with_what_it_shows(space, store):
    table = space.table
    assert len(space.slots) == len(table)
    assert table.groupby("key").size().tolist() == [4] * 6  # a floor and three blobs
    assert table.groupby("key")["share"].sum().tolist() == pytest.approx([1] * 6)
    assert table["kind"].value_counts().to_dict() == {"object": 18, "background": 6}
    objects = table[table["kind"] == "object"]
    assert objects["best_iou"].min() > 0.5
    assert set(objects["material"]) == {"rubber"}
    assert set(objects["size"]) == {"large (over 3 %)"}
    assert table.loc[table["kind"] == "background", "material"].isna().all()
    assert sorted(objects[objects["key"] == "clip_00"]["object"]) == [1, 2, 3]


def test_a_slot_shows_the_segment_of_the_best_iou():
    ids = np.zeros((8, 8), np.int32)
    ids[:4, :4] = 3
    masks = torch.zeros(3, 8, 8)
    masks[1, :4, :6] = 2.0
    masks[2] = 1.0
    found = shown(masks / masks.sum(0), ids)
    assert set(found) == {1, 2}
    assert found[1] == (3, pytest.approx(16 / 24), pytest.approx(0.25))
    assert found[2][:2] == (0, pytest.approx(40 / 48))


def test_without_ids_there_are_no_labels(run, store, monkeypatch):
    from dataclasses import replace

    plain = type(store).frame
    monkeypatch.setattr(type(store), "frame", lambda self, row: replace(plain(self, row), ids=None))
    found = slot_space(run, store, clusters=(2,))
    assert not {"kind", "best_iou", "material"} & set(found.table)
    assert list(found.clusters) == ["clusters", "silhouette"]
    assert [axes.get_title() for axes in draw_space(found).axes] == ["k-means cluster", "share of the patches"]
    assert neighbour_sheet(found, store, neighbours(found, 2, 3)).size[0] == 4 * (132 + 6) + 6


def test_clusters_find_groups_and_say_how_pure_they_are():
    found, labels = groups([20, 20, 20])
    found.table["material"] = np.array(["metal", "rubber", "glass"])[labels]
    found.table["shape"] = np.resize(["cube", "sphere"], 60)
    found.table["kind"] = "object"
    found = place(found, clusters=(2, 3, 5))
    assert found.clusters.set_index("clusters")["silhouette"].idxmax() == 3
    of_three = found.clusters.set_index("clusters").loc[3]
    assert of_three["material_purity"] == of_three["material_information"] == pytest.approx(1)
    assert of_three["material_by_chance"] == pytest.approx(1 / 3)
    assert of_three["shape_purity"] == pytest.approx(0.5)
    assert abs(of_three["shape_information"]) < 0.05
    assert found.table.groupby("cluster").size().tolist() == [20, 20, 20]  # of the best silhouette
    assert "1.00 (.33) 1.00" in print_clusters(found)


def test_groups_lie_apart_in_both_maps():
    found, labels = groups([15, 15])
    found = place(found, clusters=(2,))
    for how in ("pca", "tsne"):
        points = found.table[[f"{how}_x", f"{how}_y"]].to_numpy()
        middle = np.stack([points[labels == i].mean(0) for i in (0, 1)])
        away = np.linalg.norm(points[:, None] - middle, axis=2)
        assert (away.argmin(1) == labels).all()


def test_length_of_a_slot_does_not_count():
    found, _ = groups([15, 15])
    longer = SlotSpace(found.slots * np.linspace(1, 9, 30)[:, None], found.table, found.clusters, {})
    np.testing.assert_allclose(found.unit, longer.unit, atol=1e-6)


def test_the_same_seed_gives_the_same_map(run, store, space):
    again = slot_space(run, store, clusters=(2, 4))
    pd.testing.assert_frame_equal(again.table, space.table)
    pd.testing.assert_frame_equal(again.clusters, space.clusters)


def test_fewer_slots_are_taken_where_fewer_are_asked_for(run, store):
    found = collect(run, store, most=12)
    assert found.table["key"].nunique() == 3
    assert set(found.masks) == set(found.table["row"])


def test_neighbours_are_alike_and_of_other_clips():
    found, labels = groups([12, 12], clips=[f"clip{i // 3}" for i in range(24)])
    for near in neighbours(found, 2, 5):
        assert len(near.others) == 5
        assert {labels[i] for i in near.others} == {labels[near.slot]}
        assert found.table["key"][near.slot] not in set(found.table["key"][list(near.others)])
        assert list(near.cosine) == sorted(near.cosine, reverse=True)
        assert near.cosine[0] > 0.95
    assert {labels[near.slot] for near in neighbours(found, 2, 5)} == {0, 1}


def test_of_one_clip_there_are_no_neighbours():
    found, _ = groups([5, 5], clips=["one"] * 10)
    assert all(near.others == () for near in neighbours(found, 2, 5))


def test_a_crop_shows_the_slot_and_its_outline(space, store):
    objects = np.flatnonzero(space.table["kind"] == "object")
    tile = crop(space, store, int(objects[0]), "")
    plain = tile.reshape(-1, 3)
    assert tile.shape == (132, 132, 3)
    assert (plain == 255).all(1).sum() > 100  # the outline
    line = space.table.iloc[objects[0]]
    frame = store.frame(int(line["row"]))
    colour = frame.image[frame.ids == line["object"]].mean(0)
    assert (np.abs(plain - colour).max(1) < 30).mean() > 0.2


def test_the_window_is_a_square_inside_the_picture():
    owned = np.zeros((100, 200), bool)
    owned[0:20, 150:190] = True
    top, left, side = window(owned)
    assert side == 60
    assert (top, left) == (0, 140)
    assert window(np.zeros((100, 200), bool)) == (0, 0, 100)


def test_the_sheet_has_a_column_per_neighbour(space, store):
    found = neighbours(space, 3, 4)
    page = neighbour_sheet(space, store, found)
    assert page.size == (5 * 138 + 6, 22 + 3 * 138 + 6)
    short = [*found, Neighbours(found[0].slot, (), ())]
    last_row = np.asarray(neighbour_sheet(space, store, short))[22 + 3 * 138 : -6, 138 + 6 :]
    assert (last_row == 255).all()


def test_files_say_which_line_is_which_vector(space, tmp_path):
    table, clusters, vectors = write_slots(space, tmp_path / "new")
    read = pd.read_csv(table)
    assert len(read) == len(space.table)
    assert {"key", "slot", "material", "tsne_x", "pca_y", "cluster", "best_iou"} <= set(read)
    np.testing.assert_array_equal(load_file(vectors)["slots"], space.slots)
    assert pd.read_csv(clusters)["clusters"].tolist() == [2, 4]


def test_a_panel_per_label_in_its_own_colours(space):
    figure = draw_space(space)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "material", "size", "ground-truth match (best IoU)", "k-means cluster",
    ]  # fmt: skip
    assert colours(["red", "yellow"], "colour") == ["red", "gold"]
    assert colours(["red", "mauve-ish"], "colour")[0] != "red"


def test_too_few_slots_are_named(space):
    few = SlotSpace(space.slots[:3], space.table[:3], pd.DataFrame(), {})
    with pytest.raises(RunError, match="Only 3 slots own anything"):
        place(few)


def test_the_command(run, store, tmp_path, capsys):
    out = tmp_path / "slots"
    assert main(["slots", str(run.folder), str(store.path), "--out", str(out), "--queries", "2"]) == 0
    assert "kind" in capsys.readouterr().out
    names = ["clusters.csv", "neighbours.png", "pca.png", "slots.csv", "slots.safetensors", "tsne.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert Image.open(out / "tsne.png").size[0] > 500
