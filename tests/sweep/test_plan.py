import json
from dataclasses import replace

import pytest
import yaml

from vitreous.errors import RunError
from vitreous.sweep.plan import LONGEST, Plan, Range, check_names, claim, describe, digest, numbered, parts, run_names
from vitreous.train.module import Training

DATA = {"train": "a", "test": "b"}


def test_a_grid_is_every_combination_in_the_order_of_its_axes():
    plan = Plan({"slots": [3, 5], "standardise": ["dataset"], "seed": [42, 43]}, {"steps": 10})
    places = [(settings["slots"], settings["seed"]) for settings in plan.combinations()]
    assert places == [(3, 42), (3, 43), (5, 42), (5, 43)]
    assert plan.full(plan.combinations()[1]) == {"steps": 10, "slots": 3, "standardise": "dataset", "seed": 43}
    assert list(run_names(plan).values()) == [f"slots_{k}-seed_{seed}" for k, seed in places]


def test_names_of_runs_are_folders_and_differ():
    plan = Plan({"backbone": ["glass_tiny", "facebook/dinov2-small"], "lr": [1e-4, 0.00010000001]}, {})
    names = list(run_names(plan).values())  # the two rates look alike
    assert names[0] == "0000-backbone_glass_tiny-lr_0.0001"
    assert names[3] == "0003-backbone_facebook--dinov2-small-lr_0.0001"
    long = run_names(Plan({f"setting_{i}": [1, 2] for i in range(10)}, {}))
    assert len(set(long.values())) == 1024
    assert max(map(len, long.values())) <= LONGEST
    assert run_names(Plan({"decoder": ["mlp", None], "centre": [True, False]}, {}))[3] == "decoder_null-centre_false"
    assert run_names(Plan({"seed": [4]}, {})) == {0: "run"}
    assert numbered(7, "slots_3") == "0007-slots_3"


def test_settings_go_to_who_asks_for_them():
    found = parts(
        {"method": "savi_dinosaur", "slots": 4, "refresh": None, "lr": 0.1, "steps": 5, "epochs": 2.0}
        | {"standardise": "token", "backbone": "glass_tiny", "seed": 3}
    )
    assert found.method == "savi_dinosaur"
    assert found.config == {"slots": 4, "refresh": None}
    assert Training(**found.training) == Training(lr=0.1, steps=5, seed=3)  # steps count before epochs
    assert found.fit == {"standardise": "token"}
    assert Training(**parts({"epochs": 2.0}).training) == Training(epochs=2.0)
    assert Training(**parts({"steps": None}).training) == Training()


def test_debug_is_a_few_steps_of_everything():
    plan = Plan({"epochs": [10.0, 20.0]}, {"lr": 1e-3}, debug=True)
    assert [parts(plan.full(settings)).training for settings in plan.combinations()] == [
        {"steps": 3, "epochs": None, "lr": 1e-3}
    ] * 2


def test_what_cannot_be_is_refused():
    with pytest.raises(RunError, match="seed is fixed to 3 and varied as well"):
        Plan({"seed": [1, 2]}, {"seed": 3})
    with pytest.raises(RunError, match=r"slots=3\.\.5 is a range, and a grid has values"):
        Plan({"slots": Range(3, 5)}, {})
    with pytest.raises(RunError, match="each once, not 3,3"):
        Plan({"slots": [3, 3]}, {})
    with pytest.raises(RunError, match="not from 5 to 3"):
        Range(5, 3)
    with pytest.raises(RunError, match="leave out :log"):
        Range(0.0, 1.0, log=True)
    with pytest.raises(RunError, match="threads must be at least 1"):
        Plan({"slots": [3]}, {}, threads=0)


def test_a_setting_must_be_one_of_every_method():
    check_names(Plan({"method": ["savi_dinosaur"], "refresh": [1, 2], "grid": ["8", "16"]}, {"lr": 1e-3}))
    with pytest.raises(RunError, match='dinosaur has no setting "slotz". Did you mean "slots"'):
        check_names(Plan({"slotz": [1, 2]}, {}))
    with pytest.raises(RunError, match='^dinosaur has no setting "refresh"'):
        check_names(Plan({"method": ["savi_dinosaur", "dinosaur"]}, {"refresh": 3}))
    with pytest.raises(RunError, match='No method "dinosuar". Did you mean "dinosaur"'):
        check_names(Plan({"seed": [1, 2]}, {"method": "dinosuar"}))


def test_a_folder_belongs_to_one_sweep(tmp_path):
    plan = Plan({"slots": [3, 5], "seed": [42, 43]}, {"steps": 10})
    about = describe(plan, DATA)
    claim(tmp_path, about)
    before = (tmp_path / "sweep.yaml").read_text()
    claim(tmp_path, describe(replace(plan, fixed=dict(plan.fixed)), DATA))
    assert (tmp_path / "sweep.yaml").read_text() == before
    assert digest(yaml.safe_load(before)) == digest(about) == digest(json.loads(json.dumps(about)))
    others = {
        r"grid.slots: \[3, 5\] there, \[3, 7\] here": replace(plan, axes={"slots": [3, 7], "seed": [42, 43]}),
        "axes: slots seed there, seed slots here": replace(plan, axes={"seed": [42, 43], "slots": [3, 5]}),
        "fixed.steps: 10 there, - here": replace(plan, fixed={}),
        'objective: "fg_ari" there, "mbo" here': replace(plan, objective="mbo"),
        "threads: 1 there, 2 here": replace(plan, threads=2),
    }
    for message, other in others.items():
        with pytest.raises(RunError, match=f"(?s)holds another sweep.*{message}.*another --out"):
            claim(tmp_path, describe(other, DATA))
        assert digest(describe(other, DATA)) != digest(about)
    with pytest.raises(RunError, match='data.test: "b" there, "c" here'):
        claim(tmp_path, describe(plan, DATA | {"test": "c"}))
