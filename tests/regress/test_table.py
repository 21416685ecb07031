"""Tables, good and bad: whatever is wrong is named by line and column."""

import numpy as np
import pytest

from vitreous.data.listed import ListedPictures
from vitreous.errors import DataError
from vitreous.regress.cells import Columns
from vitreous.regress.submission import read_wanted
from vitreous.regress.table import read_table

WIDE = """image_path,Sampling_Date,State,green,dead
train/a.jpg,2015/9/4,Tas,20.1,10.4
train/b.jpg,2015/9/4,Tas,0,3
train/c.jpg,2015/10/1,WA,7.5,0.25
"""
LONG = """sample_id,image_path,State,target_name,target
a__dead,train/a.jpg,Tas,dead,10.4
a__green,train/a.jpg,Tas,green,20.1
b__dead,train/b.jpg,Tas,dead,3
b__green,train/b.jpg,Tas,green,0
c__dead,train/c.jpg,WA,dead,0.25
c__green,train/c.jpg,WA,green,7.5
"""
Y = [[20.1, 10.4], [0, 3], [7.5, 0.25]]


@pytest.fixture
def folder(tmp_path):
    """A folder with three pictures and a way to write tables into it."""
    (tmp_path / "train").mkdir()
    for name in "abc":
        (tmp_path / "train" / f"{name}.jpg").write_bytes(b"")

    def write(text, name="train.csv", encoding="utf-8"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    return write


def test_wide_and_long_say_the_same(folder):
    wide = read_table(folder(WIDE), targets=["green", "dead"])
    long = read_table(folder(LONG, "long.csv"), targets=["green", "dead"])
    for table in (wide, long):
        assert table.pictures == ["train/a.jpg", "train/b.jpg", "train/c.jpg"]
        assert table.y.tolist() == Y
        assert table.columns["State"].tolist() == ["Tas", "Tas", "WA"]
    assert wide.fingerprint() == long.fingerprint()
    assert read_table(folder(LONG, "long.csv")).targets == ("dead", "green")  # as they come
    assert wide.column(["State", "Sampling_Date"]).iloc[2].tolist() == ["WA", "2015/10/1"]


def test_names_of_columns_separators_and_byte_order_marks(folder):
    other = WIDE.replace("image_path", "file").replace(",", ";")
    table = read_table(folder(other, encoding="utf-8-sig"), targets=["dead"], columns=Columns(image="file"))
    assert table.y[:, 0].tolist() == [10.4, 3, 0.25]
    renamed = LONG.replace("target_name,target", "what,grams")
    assert read_table(folder(renamed), columns=Columns(name="what", value="grams")).y.shape == (3, 2)


@pytest.mark.parametrize(
    ("text", "targets", "said"),
    [
        (WIDE.replace("20.1", "n/a"), ["green"], 'line 2, column "green": "n/a" where a number is needed (green of'),
        (WIDE.replace("20.1", ""), ["green"], 'line 2, column "green": nothing where a number is needed'),
        (WIDE.replace("20.1", "NaN"), ["green"], 'line 2, column "green": "NaN" where'),
        (WIDE.replace("20.1", "inf"), ["green"], 'line 2, column "green": "inf" is not a number'),
        (WIDE.replace("20.1", "much"), ["green"], 'line 2, column "green": "much" is not a number'),
        (WIDE.replace("0.25", "-1"), ["dead"], 'line 4, column "dead": -1 is negative'),
        (WIDE.replace("b.jpg", "a.jpg"), ["dead"], 'line 3, column "image_path": train/a.jpg stands in line 2, too'),
        (WIDE.replace("c.jpg", "z.jpg"), ["dead"], 'line 4, column "image_path": train/z.jpg is not in'),
        (WIDE.replace("train/c.jpg", ""), ["dead"], 'line 4, column "image_path": no picture is named'),
        (WIDE, ["grene"], 'no target column "grene". Did you mean "green"?'),
        (WIDE, [], "--targets green dead"),
        (WIDE.replace("image_path", "image_file"), ["dead"], 'no column "image_path". Did you mean "image_file"?'),
        (WIDE.splitlines()[0], ["dead"], "but no rows"),
        (LONG.replace(",20.1", ",x"), [], 'line 3, column "target": "x" is not a number (green of train/a.jpg)'),
        (LONG.replace("b__dead", "a__dead"), [], 'line 4, column "sample_id": a__dead stands in line 2, too'),
        (LONG.replace("Tas,green,0", "Tas,dead,0"), [], 'train/b.jpg and dead stands in line 4, too'),
        (LONG.replace("c__green,train/c.jpg,WA,green,7.5\n", ""), [], "train/c.jpg has no row for green"),
        (LONG.replace("Tas,green,0", "Vic,green,0"), [], 'line 5, column "State": "Vic" for train/b.jpg, and "Tas"'),
        (LONG, ["geen"], 'no rows for the target "geen". Did you mean "green"?'),
        (LONG.replace("target\n", "grams\n", 1), [], 'has no column "target" with their values'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_column(folder, text, targets, said):
    with pytest.raises(DataError) as caught:
        read_table(folder(text), targets=targets)
    assert said in str(caught.value)
    assert "train.csv" in str(caught.value)


def test_many_faults_are_told_together_and_counted(folder):
    rows = "".join(f"train/{i}.jpg,x\n" for i in range(9))
    with pytest.raises(DataError) as caught:
        read_table(folder("image_path,g\n" + rows), targets=["g"])
    assert str(caught.value).count("is not a number") == 5
    assert "and 4 more" in str(caught.value)


def test_pictures_in_the_folder_above_are_found_for_the_user(folder, tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(folder(WIDE), tmp_path / "train", ["dead"])
    assert f"--images {tmp_path}" in str(caught.value)
    with pytest.raises(DataError, match="There is no folder"):
        read_table(folder(WIDE), tmp_path / "trian", ["dead"])
    with pytest.raises(DataError, match="There is no table"):
        read_table(tmp_path / "none.csv", targets=["dead"])


def test_targets_below_zero_only_where_they_are_allowed(folder):
    path = folder(WIDE.replace("0.25", "-1"))
    assert read_table(path, targets=["dead"], negative=True).y[2, 0] == -1
    with pytest.raises(DataError, match="--positive none"):
        read_table(path, targets=["dead"])


def test_a_missing_column_gets_a_hint(folder):
    table = read_table(folder(WIDE), targets=["dead"])
    with pytest.raises(DataError, match='no column "Stat". Did you mean "State"'):
        table.column(["Stat"])


TEST = "sample_id,image_path,target_name\n" + "".join(
    f"{name}__{target},train/{name}.jpg,{target}\n" for name in "ab" for target in ("dead", "green")
)
SAMPLE = "sample_id,target\nb__green,0.0\na__dead,0.0\na__green,0.0\nb__dead,0.0\n"
NUMBERS = np.array([[1.0, 2.0], [3.0, 4.5]])  # green, dead of a, b


def test_a_long_answer_in_the_order_of_the_sample(folder):
    test, sample = folder(TEST, "test.csv"), folder(SAMPLE, "sample.csv")
    wanted = read_wanted(test, None, ["green", "dead"], sample=sample)
    assert wanted.pictures == ["train/a.jpg", "train/b.jpg"]
    answer = wanted.filled(NUMBERS, ["green", "dead"])
    assert answer.to_csv(index=False) == (
        "sample_id,target\nb__green,3.000000\na__dead,2.000000\na__green,1.000000\nb__dead,4.500000\n"
    )
    plain = read_wanted(test, None, ["green", "dead"]).filled(NUMBERS, ["green", "dead"])
    assert plain["sample_id"].tolist() == ["a__dead", "a__green", "b__dead", "b__green"]


def test_a_wide_answer(folder):
    test = folder("image_path,id\ntrain/a.jpg,7\ntrain/b.jpg,8\n", "test.csv")
    sample = folder("id,dead,green\n8,0,0\n7,0,0\n", "sample.csv")
    answer = read_wanted(test, None, ["green", "dead"], sample=sample).filled(NUMBERS, ["green", "dead"])
    assert answer.to_csv(index=False) == "id,dead,green\n8,4.500000,3.000000\n7,2.000000,1.000000\n"
    plain = read_wanted(test, None, ["green", "dead"]).filled(NUMBERS, ["green", "dead"])
    assert plain.to_csv(index=False).splitlines()[1] == "train/a.jpg,1.000000,2.000000"


@pytest.mark.parametrize(
    ("test", "sample", "said"),
    [
        (TEST.replace("jpg,green\nb", "jpg,clover\nb"), None, 'line 3, column "target_name": clover was never trained'),
        (TEST.replace("b__dead", "a__dead"), None, 'line 4, column "sample_id": a__dead stands in line 2, too'),
        (TEST.replace("train/b", "train/z"), None, 'line 4, column "image_path": train/z.jpg is not in'),
        (TEST, SAMPLE.replace("a__dead", "x__dead"), 'line 3, column "sample_id": x__dead is not among what is to be'),
        (TEST, SAMPLE.replace("b__dead,0.0\n", ""), "b__dead is missing"),
        (TEST, SAMPLE.replace("b__dead", "a__dead"), 'line 5, column "sample_id": a__dead stands in line 3, too'),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_named(folder, test, sample, said):
    with pytest.raises(DataError) as caught:
        read_wanted(folder(test, "test.csv"), None, ["green", "dead"], sample=sample and folder(sample, "sample.csv"))
    assert said in str(caught.value)


def test_a_source_of_the_tables_pictures(shared_data):
    names = ["images/003.png", "images/001.png"]
    source = ListedPictures(shared_data / "nuclei", names)
    assert source.keys == names
    (frame,) = source.frames(names[0])
    assert frame.key == names[0]
    assert frame.image.shape == (256, 256, 3)
    assert source.size(names[1]) == (256, 256)
    assert source.fingerprint() == ListedPictures(shared_data / "nuclei", names).fingerprint()
    assert source.fingerprint() != ListedPictures(shared_data / "nuclei", names[::-1]).fingerprint()


def test_a_source_names_what_is_not_there_and_skips_what_is_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(DataError, match="b.png is not there"):
        ListedPictures(tmp_path, ["b.png"])
    with pytest.raises(DataError, match="a.png"):
        list(ListedPictures(tmp_path, ["a.png"]).frames("a.png"))
    source = ListedPictures(tmp_path, ["a.png"], on_error="skip")
    assert list(source.frames("a.png")) == []
    assert source.skipped[0][0] == str(tmp_path / "a.png")
