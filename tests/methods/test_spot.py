from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import one_hot
from torch.testing import assert_close

from vitreous.blocks.self_training import matched_cross_entropy, students_of
from vitreous.errors import RunError
from vitreous.methods.spot import SPOT, SPOTConfig
from vitreous.runs import Run
from vitreous.train.fit import Keep, fit
from vitreous.train.history import read_history
from vitreous.train.module import Training
from vitreous.types import Batch

SMALL = dict(slots=3, slot_dim=16, decoder_layers=1, decoder_heads=2)


def made(**settings):
    torch.manual_seed(0)
    return SPOT(SPOTConfig(**(SMALL | settings)), 12, (6, 8))


def test_the_teacher_is_the_same_model_as_stage_one_has_it():
    student = SPOTConfig(start="learned", slots=5, teacher_steps=2.0)
    config, length = SPOT.teacher_of(student)
    assert (config.start, config.truncate, config.distill, config.slots) == ("gaussian", "none", 0.0, 5)
    assert length == 2
    assert SPOT.teacher_of(config) is None
    assert SPOT.teacher_of(SPOTConfig())[0].start == "warm"


def taught(**settings):
    student = made(**settings)
    student.learn_from(made(start="gaussian", truncate="none", distill=0.0))
    return student


def test_a_teacher_is_frozen_and_no_part_of_the_model():
    student, plain = taught(), made()
    assert student.state_dict().keys() == plain.state_dict().keys()
    assert len(list(student.parameters())) == len(list(plain.parameters()))
    (teacher,) = student.train().teachers
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    student.double()
    assert {p.dtype for p in teacher.parameters()} == {torch.float64}  # goes where the student goes


def test_the_loss_is_the_matched_cross_entropy_with_the_teachers_decoder(moving):
    student, (batch, _) = taught(distill=0.7), moving(3, clips=2)
    out = student(batch)
    torch.manual_seed(5)
    terms = student.loss(out, batch)
    torch.manual_seed(5)
    masks = student.teachers[0].teach(batch.features.flatten(0, 1).flatten(1, 2))
    last = out.attention[:, :, -1].flatten(0, 1).flatten(2)
    assert_close(terms["distill"], 0.7 * matched_cross_entropy(last, masks, out.keep.flatten(0, 1)))
    assert set(made().loss(out, batch)) == {"rebuild"}


def test_the_teacher_looks_in_every_order(moving, monkeypatch):
    student, (batch, _) = taught(), moving(1)
    seen = Counter()
    decode = student.teachers[0].decode
    whole = decode.forward
    monkeypatch.setattr(
        decode, "forward", lambda *a, order, **k: (seen.update([order]), whole(*a, order=order, **k))[1]
    )
    for seed in range(100):
        torch.manual_seed(seed)
        student.loss(student(batch), batch)
    assert set(seen) == set(range(9))


def test_a_student_comes_to_share_its_teachers_masks(moving, follows):
    batch, labels = moving(1, clips=4)
    owners = one_hot(labels[0].flatten().expand(4, -1), 3).mT.float()

    class Knows(SPOT):
        def teach(self, features):
            return owners[:, [2, 0, 1]]

    student = made(distill=1.0, start="learned")
    student.learn_from(Knows(SPOTConfig(**SMALL), 12, (6, 8)))
    first, last = follows.trained(student, batch)
    assert last["distill"] < 0.2 * first["distill"]
    assert students_of(student(batch).masks.flatten(0, 1).flatten(2), owners)[1].mean() > 0.8


@pytest.mark.parametrize("start", ["warm", "learned", "gaussian"])
def test_the_last_look_alone_teaches_a_student_and_all_a_teacher(start, moving):
    """Bi-level: values do not change, gradients do, and what slots start from still learns."""
    batch, _ = moving(1)
    gradients = []
    for truncate in ("bilevel", "none"):
        method = made(start=start, truncate=truncate).eval()
        torch.manual_seed(0)
        out = method(batch)
        method.loss(out, batch)["rebuild"].backward()
        gradients.append(method.group.attend.to_query.weight.grad)
        first = method.group.project if start == "warm" else method.group.start
        assert all(p.grad.abs().max() > 0 for p in first.parameters())
    assert (gradients[0] - gradients[1]).abs().max() > 1e-7


def test_masks_of_all_orders_are_the_mean(moving):
    batch, _ = moving(1)
    one, every = made(masks="decoder").eval(), made(masks="decoder", orders="all").eval()
    every.load_state_dict(one.state_dict())
    (slots, _), keep = one.group(batch.features.flatten(0, 1).flatten(1, 2))
    x = batch.features.flatten(0, 1).flatten(1, 2)
    each = [one.rebuild(x, slots, keep, order).masks for order in range(9)]
    assert_close(one(batch).masks.flatten(0, 1).flatten(2), each[0])
    assert_close(every(batch).masks.flatten(0, 1).flatten(2), torch.stack(each).mean(0))


def test_frames_are_pictures(moving):
    method, (batch, _) = made().eval(), moving(4)
    stills = method(Batch(batch.features.movedim(1, 0)))
    assert_close(method(batch).masks[0], stills.masks[:, 0], atol=1e-5, rtol=1e-5)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="teacher_steps above 0, not 0.005 and 0"):
        SPOTConfig(teacher_steps=0.0)


# Both stages by one command

SHORT = Training(steps=6, batch_size=4, seed=3)
STUDENT = SMALL | dict(slots=4, teacher_steps=0.5, start="learned", distill=0.5)


def train(store, out, training=SHORT, config=STUDENT, **how):
    return fit(store, out, "spot", config, training, precision="32-true", device="cpu", progress=False, **how)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.method.parameters()])


def test_one_command_trains_the_teacher_and_then_the_student(blobs_store, tmp_path):
    run = train(blobs_store(), tmp_path / "run")
    teacher = Run.load(run.folder / "teacher")
    assert (teacher.recipe.training["steps"], run.recipe.training["steps"]) == (3, 6)
    assert teacher.recipe.config["distill"] == 0
    assert teacher.recipe.config["start"] == "gaussian"
    assert set(read_history(run.folder)) == {"step", "rebuild", "distill", "lr", "loss"}
    assert set(read_history(teacher.folder)) == {"step", "rebuild", "lr", "loss"}
    files = {"recipe.yaml", "model.safetensors", "log.csv", "training_history.png"}
    assert {p.name for p in teacher.folder.iterdir()} == files
    assert {p.name for p in run.folder.iterdir()} == files | {"teacher"}
    alone = train(blobs_store(), tmp_path / "alone", config=teacher.recipe.config, training=replace(SHORT, steps=3))
    assert_close(weights(alone), weights(teacher), atol=0, rtol=0)  # stage one is the method without distillation
    assert_close(weights(Run.load(run.folder)), weights(run), atol=0, rtol=0)


def test_the_student_is_not_what_it_would_be_without_its_teacher(blobs_store, tmp_path):
    with_one = train(blobs_store(), tmp_path / "a")
    without = train(blobs_store(), tmp_path / "b", config=STUDENT | dict(distill=0.0))
    assert not (tmp_path / "b" / "teacher").exists()
    assert (weights(with_one) - weights(without)).abs().max() > 1e-4


@pytest.mark.parametrize("how", [{}, dict(validate=0.25)])
@pytest.mark.parametrize("killed_after", [0, 2, 3, 4, 8])  # of 3 steps of the teacher and 6 of the student
def test_resumed_equals_uninterrupted_at_every_point(blobs_store, tmp_path, monkeypatch, killed_after, how):
    training = replace(SHORT, ema=0.9 if how else 0.0)
    whole = train(blobs_store(), tmp_path / "whole", training, **how)
    monkeypatch.setattr("vitreous.train.fit.KEEP_SECONDS", 0)  # a checkpoint after every step
    steps, step = [], Keep.on_train_batch_end

    def killed(self, trainer, *args):
        step(self, trainer, *args)
        steps.append(trainer.global_step)
        if len(steps) > killed_after:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_batch_end", killed)
        with pytest.raises(SystemExit):
            train(blobs_store(), tmp_path / "parts", training, **how)
    with pytest.raises(RunError, match="interrupted"):
        Run.load(tmp_path / "parts")
    resumed = train(blobs_store(), tmp_path / "parts", training, **how)
    assert_close(weights(resumed), weights(whole), atol=0, rtol=0)
    for run in ("whole", "parts"):
        names = sorted(str(p.relative_to(tmp_path / run)) for p in (tmp_path / run).rglob("*"))
        assert not any("checkpoint" in name or "best" in name for name in names)
    taught = [weights(Run.load(tmp_path / run / "teacher")) for run in ("whole", "parts")]
    assert_close(*taught, atol=0, rtol=0)


def test_a_folder_belongs_to_one_recipe_before_the_teacher_is_trained(blobs_store, tmp_path):
    train(blobs_store(), tmp_path)
    with pytest.raises(RunError, match="(?s)another recipe.*distill.*Choose another --out"):
        train(blobs_store(), tmp_path, config=STUDENT | dict(distill=0.2))
