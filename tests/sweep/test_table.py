import csv

import pytest

from vitreous.sweep.plan import Plan, Range, run_names
from vitreous.sweep.study import Trial
from vitreous.sweep.table import print_failures, print_means, write_csv

PLAN = Plan({"slots": [3, 5], "lr": [1e-4], "seed": [42, 43]}, {})


def trial(place, mean, state="done", plan=PLAN, **more):
    scores = dict.fromkeys(("fg_ari", "ari", "mbo", "miou"), (mean, mean - 0.1, mean + 0.1))
    scores = scores if state == "done" else {}
    return Trial(place, place, plan.combinations()[place], state, scores=scores, seconds=2.0, **more)


TRIALS = [trial(0, 0.5), trial(1, 0.7), trial(2, 0.4), trial(3, 0.0, "failed", reason="too\nmany slots")]


def test_a_line_per_trial_with_settings_state_scores_and_reason(tmp_path):
    write_csv(tmp_path / "sweep.csv", PLAN, TRIALS, run_names(PLAN))
    with (tmp_path / "sweep.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["run"] for line in lines] == [
        "slots_3-seed_42",
        "slots_3-seed_43",
        "slots_5-seed_42",
        "slots_5-seed_43",
    ]
    assert lines[0]["lr"] == "0.0001"
    assert [lines[1][name] for name in ("fg_ari", "fg_ari_low", "fg_ari_high")] == ["0.700000", "0.600000", "0.800000"]
    assert (lines[3]["state"], lines[3]["fg_ari"], lines[3]["reason"]) == ("failed", "", "too many slots")
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.csv"]


def test_the_printed_table_is_averaged_over_seeds():
    rows = {line[:12].strip(): line.split() for line in print_means(PLAN, TRIALS).splitlines()}
    assert rows["slots 3 (2)"][3:5] == ["0.600", "±.141"]  # deviation of 0.5 and 0.7: sqrt(0.02)
    assert rows["slots 5 (1)"][3:5] == ["0.400", "0.400"]  # no deviation of one
    assert "over pictures" not in print_means(PLAN, TRIALS)
    assert list(print_failures(PLAN, TRIALS)) == ["failed  slots 5, seed 43: too many slots"]


def test_of_single_seeds_it_is_the_interval_over_pictures():
    plan = Plan({"slots": [3, 5], "merge": [0.3, 0.4]}, {})
    shown = print_means(plan, [trial(place, 0.5 + place / 10, plan=plan) for place in range(4)])
    assert "mean ±95 % over pictures" in shown
    assert "slots 3, merge 0.4" in shown
    assert "0.600 ±.100" in shown


def test_the_best_of_a_search_come_first():
    plan = Plan({"slots": Range(3, 13)}, {}, search="tpe", objective="mbo")
    made = [
        Trial(i, i, {"slots": 3 + i}, "done", scores=dict.fromkeys(("fg_ari", "ari", "mbo", "miou"), (m, m, m)))
        for i, m in enumerate((0.2, 0.9, 0.5))
    ]
    lines = print_means(plan, made).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["4", "5", "3"]
    assert lines[0].split()[5:] == ["mbo", "fg_ari", "ari", "miou"]


def test_no_trial_no_table():
    assert print_means(PLAN, TRIALS[3:]) == "No trial is done."


@pytest.mark.parametrize("means", [(0.5, 0.5)])
def test_seeds_that_agree_have_a_deviation_of_nothing(means):
    shown = print_means(PLAN, [trial(place, mean) for place, mean in enumerate(means)])
    assert "0.500 ±.000" in shown
