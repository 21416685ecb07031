import sys

import pytest

from vitreous.errors import MissingExtra
from vitreous.render.engine import RenderError, find_llvm, llvm_version, start, why_not


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/usr/lib/x86_64-linux-gnu/libLLVM-19.so", 19),
        ("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1", 19),
        ("/usr/lib/llvm-17/lib/libLLVM-17.so.1", 17),
        ("/usr/lib/x86_64-linux-gnu/libLLVM-14.0.6.so.1", 14),
        ("/opt/homebrew/Cellar/llvm@18/18.1.8/lib/libLLVM.dylib", 18),
        ("/opt/homebrew/Cellar/llvm/20.1.2/lib/libLLVM.dylib", 20),
        ("/somewhere/libLLVM.so", 0),
    ],
)
def test_the_version_is_read_from_the_path(path, version):
    assert llvm_version(path) == version


def test_the_newest_llvm_is_taken_and_old_ones_never(tmp_path, monkeypatch):
    monkeypatch.delenv("DRJIT_LIBLLVM_PATH", raising=False)
    for name in ("libLLVM-14.so", "libLLVM-15.so.1", "libLLVM-16.so"):
        (tmp_path / name).touch()
    assert find_llvm((str(tmp_path),)) is None
    for name in ("libLLVM-17.so", "libLLVM.so.19.1", "libLLVM-18.so"):
        (tmp_path / name).touch()
    assert find_llvm((str(tmp_path),)) == str(tmp_path / "libLLVM.so.19.1")


def test_a_link_without_a_version_is_followed(tmp_path, monkeypatch):
    monkeypatch.delenv("DRJIT_LIBLLVM_PATH", raising=False)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "libLLVM-18.so.1").touch()
    (tmp_path / "libLLVM.so").symlink_to(tmp_path / "real" / "libLLVM-18.so.1")
    assert find_llvm((str(tmp_path),)) == str(tmp_path / "libLLVM.so")


def test_the_users_own_choice_of_llvm_stands(monkeypatch):
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "/my/libLLVM.so")
    assert find_llvm(()) == "/my/libLLVM.so"


def test_a_misspelt_variant_is_answered_with_the_right_one():
    with pytest.raises(RenderError, match='Did you mean "scalar"'):
        start("scaler")


def test_a_process_keeps_its_variant(studio):
    assert start("scalar") is start("auto") is studio.mi
    with pytest.raises(RenderError, match="needs a process of its own"):
        start("llvm")


@pytest.mark.parametrize("module", ["mitsuba", "drjit"])
def test_without_the_extra_the_user_is_told_what_to_install(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"Rendering needs .*pip install 'vitreous\[render\]'"):
        start("scalar")


def test_what_is_missing_for_a_variant_is_named():
    assert "libllvm19" in why_not("llvm")
    assert "--variant scalar" in why_not("llvm")
    assert "NVIDIA" in why_not("cuda")
