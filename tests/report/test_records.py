import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from vitreous.report.measure import METRICS, of_objects
from vitreous.report.records import Picture, measure

TRUE = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 2], [0, 1, 1, 2], [0, 0, 0, 0]])
TABLE = [{"id": 1, "material": "metal"}, {"id": 2, "material": "rubber"}, {"id": 3, "material": "metal"}]


def picture(key, index=0, true=TRUE, pred=TRUE):
    return Picture(key, index, "identity", true, {"ours": pred, "one": torch.zeros_like(pred)}, {"gini": 0.5})


def test_objects_by_hand():
    (one,) = of_objects(torch.ones_like(TRUE)[None], TRUE[None])
    assert [(o["id"], o["best_iou"], o["size"]) for o in one] == [
        (1, 4 / 16, "large (over 3 %)"),
        (2, 2 / 16, "large (over 3 %)"),
    ]
    (none,) = of_objects(TRUE[None], torch.zeros_like(TRUE)[None])
    assert none == []


def test_ari_of_an_object_by_hand():
    pred = torch.tensor([[0, 0, 0, 0], [0, 1, 2, 2], [0, 1, 2, 2], [0, 0, 0, 0]])
    one, two = of_objects(pred[None], TRUE[None])[0]
    for found, segment, name in ((one, 1, 1), (two, 2, 2)):
        expected = adjusted_rand_score((name == TRUE).flatten(), (pred == segment).flatten())
        assert found["object_ari"] == pytest.approx(expected)
    perfect, _ = of_objects(TRUE[None], TRUE[None])[0]
    assert perfect["object_ari"] == 1
    nothing, _ = of_objects(torch.zeros_like(TRUE)[None], TRUE[None])[0]
    assert nothing["object_ari"] == 0  # one segment for all is luck


def test_ari_of_an_object_leaves_out_what_does_not_score():
    true = TRUE.clone()
    true[0] = -1
    one, _ = of_objects(TRUE[None], true[None])[0]
    assert one["object_ari"] == 1


def test_touching_by_hand():
    one, two = of_objects(TRUE[None], TRUE[None])[0]
    assert one["touching"] == 2 / 8  # of eight edges two meet object 2
    assert two["touching"] == 2 / 4  # of six edges two are the picture's own end
    alone = TRUE.clamp(max=1)
    assert of_objects(alone[None], alone[None])[0][0]["touching"] == 0
    full = torch.ones_like(TRUE)
    assert of_objects(full[None], full[None])[0][0]["touching"] == 0  # no outline at all


def test_sizes_are_shares_of_the_picture():
    true = torch.zeros(1, 100, 100, dtype=torch.long)
    for name, pixels in ((1, 100), (2, 101), (3, 300), (4, 301)):
        true[0, 20 * name : 20 * name + 10].view(-1)[:pixels] = name
    assert [o["size"].split()[0] for o in of_objects(true, true)[0]] == ["small", "medium", "medium", "large"]


def test_a_still_says_what_is_to_be_seen():
    records = measure([picture("a"), picture("b", true=TRUE.clamp(max=1))], lambda key: TABLE)
    ours = records.pictures[records.pictures["row"] == "ours"]
    assert ours["key"].tolist() == ["a", "b"]
    assert ours["materials"].tolist() == ["metal rubber", "metal"]  # object 3 is out of sight
    assert ours["scene"].tolist() == ["mixed", "metal"]
    assert ours["objects"].tolist() == [2, 1]
    assert ours["fg_ari"].tolist() == pytest.approx([1, 0])
    assert set(METRICS) <= set(ours)
    assert records.objects["material"].tolist() == ["metal", "rubber", "metal", "rubber", "metal", "metal"]
    assert len(records.clips) == 0
    assert records.slots["gini"].tolist() == [0.5, 0.5]


def test_without_an_object_table_there_is_no_material():
    records = measure([picture("a")], lambda key: None)
    assert records.pictures["scene"].isna().all()
    assert records.pictures["materials"].tolist() == ["", ""]
    assert records.objects["material"].isna().all()


def test_a_clip_is_one_image_and_its_frames_are_three():
    swapped = TRUE.where(TRUE == 0, 3 - TRUE)
    frames = [picture("a", i, pred=swapped if i == 1 else TRUE) for i in range(3)]
    records = measure([*frames, picture("b")], lambda key: TABLE)
    ours = records.pictures[records.pictures["row"] == "ours"]
    assert ours["fg_ari"].tolist() == [1, 1, 1, 1]
    assert ours["frame_of_clip"].fillna("").tolist() == ["first", "", "last", ""]
    assert records.clips["row"].tolist() == ["ours", "one"]
    assert records.clips["key"].tolist() == ["a", "a"]
    assert records.clips["video_fg_ari"][0] < 0.5
    assert records.clips["keeps_object"][0] == 0


def test_what_the_table_tells_of_an_object():
    table = [{"id": 1, "material": "metal", "visible_share": [1.0, 0.5]}, {"id": 2, "shape": "cube", "frame": 0}]
    table += [{"id": 2, "shape": "cube", "frame": 1, "colour": "red"}]
    frames = [picture("a", i) for i in range(3)]
    things = measure(frames, lambda key: table).objects
    ours = things[things["row"] == "ours"]
    assert ours["frame"].tolist() == [0, 0, 1, 1, 2, 2]
    first, second = ours[ours["id"] == 1], ours[ours["id"] == 2]
    assert first["visible"].tolist()[:2] == [1, 0.5]
    assert first["visible"].isna().tolist() == [False, False, True]  # the table ends before the clip
    assert second["colour"].fillna("").tolist() == ["", "red", ""]
    assert second["shape"].tolist() == ["cube"] * 3


def test_digests_tell_lists_and_truths_apart():
    def digests(*pictures, table=TABLE):
        seen = measure(pictures, lambda key: table).seen
        assert seen.sizes == {"4x4"}
        return seen.digests()

    same, again = digests(picture("a"), picture("b")), digests(picture("a", pred=TRUE * 0), picture("b"))
    assert same == again  # what a run finds has no part in it
    other = digests(picture("a"), picture("c"))
    assert other["list"] != same["list"]
    assert other["truth"] == same["truth"]
    assert digests(picture("a"), picture("b", true=TRUE.clamp(max=1)))["truth"] != same["truth"]
    metal = [row | {"material": "metal"} for row in TABLE]
    assert digests(picture("a"), picture("b"), table=metal)["truth"] != same["truth"]
