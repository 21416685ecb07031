from math import e, log

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from vitreous.blocks.self_training import matched_cross_entropy, students_of


def test_equals_spots_matching_loss_and_gradient(golden):
    case = golden("loss_spot_distill")
    logits, teacher = case("in.student_logits").requires_grad_(), case("in.teacher_attn").flatten(2)
    student = logits.mT.softmax(1)
    assert_close(student, case("in.student_attn").flatten(2), atol=1e-5, rtol=1e-5)
    order, iou = students_of(student, teacher)
    assert_close(order, case("out.permutation"))
    assert_close(iou, case("out.iou"), atol=1e-5, rtol=1e-5)
    loss = matched_cross_entropy(student, teacher)
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(logits.grad, case("grad.student_logits"), atol=1e-5, rtol=1e-4)


def test_equals_smoothsas_form_with_a_second_softmax(golden):
    case = golden("loss_smoothsa_attent_match")
    student = case("in.attn").requires_grad_()
    loss = matched_cross_entropy(student.flatten(2), case("in.attn_target").flatten(2), twice=True)
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(student.grad, case("grad.attn"), atol=1e-5, rtol=1e-4)


def shares(seed, k=4, n=30):
    return torch.randn(2, k, n, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(1)


def test_the_order_of_neither_matters():
    student, teacher, order = shares(0), shares(1), torch.tensor([2, 0, 3, 1])
    loss = matched_cross_entropy(student, teacher)
    assert_close(matched_cross_entropy(student[:, order], teacher), loss)
    assert_close(matched_cross_entropy(student, teacher[:, order]), loss)


def test_a_student_that_is_sure_of_the_teachers_masks_has_learnt_them():
    teacher = shares(0)
    sure = torch.nn.functional.one_hot(teacher.argmax(1), 4).mT.float()[:, [1, 2, 0, 3]]
    assert students_of(sure, teacher)[0].tolist() == [[2, 0, 1, 3]] * 2
    assert matched_cross_entropy(sure, teacher).item() == 0
    assert matched_cross_entropy(sure, teacher, twice=True).item() == pytest.approx(log(1 + 3 / e), abs=1e-5)


def test_patches_of_slots_that_the_student_lacks_do_not_count():
    teacher = torch.eye(3).repeat_interleave(4, dim=1)[None]  # three slots of four patches
    there = shares(0, k=2, n=12)[:1]
    student = torch.cat([there, torch.zeros(1, 1, 12)], dim=1).requires_grad_()
    keep = torch.tensor([[True, True, False]])
    order, _ = students_of(student, teacher)
    owner = order.gather(1, teacher.argmax(1))[0]
    assert (owner == 2).sum() == 4  # somebody gets the slot that is not there
    expected = -there[0, owner.clamp(max=1), torch.arange(12)].log()[owner < 2].mean()
    loss = matched_cross_entropy(student, teacher, keep)
    assert_close(loss, expected)
    loss.backward()
    assert student.grad.isfinite().all()


def test_a_share_of_nothing_costs_much_but_not_everything():
    student = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    loss = matched_cross_entropy(student, torch.tensor([[[0.9, 0.9], [0.1, 0.1]]]))
    assert 40 < loss.item() < 90
    loss.backward()
    assert student.grad.isfinite().all()


def test_it_is_the_cross_entropy_of_logits():
    logits = 3 * torch.randn(2, 4, 30, generator=torch.Generator().manual_seed(0))
    teacher = shares(1)
    owner = students_of(logits.softmax(1), teacher)[0].gather(1, teacher.argmax(1))
    assert_close(matched_cross_entropy(logits.softmax(1), teacher), cross_entropy(logits, owner))
