"""Starting Mitsuba: which of its variants runs here, and how to say so.

A variant is a whole build of the renderer: `cuda` (an NVIDIA GPU), `llvm` (vectorised, all processor cores, needs an
LLVM library) and `scalar` (runs everywhere). One process uses one variant.
"""

import os
import re
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from vitreous.errors import VitreousError, did_you_mean
from vitreous.extras import need

VARIANTS = {"cuda": "cuda_ad_rgb", "llvm": "llvm_ad_rgb", "scalar": "scalar_rgb"}
# older ones (15 and 16) abort on recent processors that they do not know
OLDEST_LLVM = 17
LLVM_FOLDERS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/llvm-*/lib",
    "/usr/local/lib",
    "/opt/homebrew/opt/llvm/lib",
    "/usr/local/opt/llvm/lib",
)
LLVM_NAME = re.compile(r"LLVM(?:-C)?[-.](?:so\.|dylib\.)?(\d+)")


class RenderError(VitreousError):
    """Settings or a machine with which nothing can be rendered."""


def llvm_version(name: str) -> int:
    """The major version that a library's file name tells; 0 where it tells none.

    >>> [llvm_version(n) for n in ("libLLVM-19.so", "libLLVM.so.19.1", "libLLVM-14.0.6.so.1", "libLLVM.dylib")]
    [19, 19, 14, 0]
    """
    match = LLVM_NAME.search(name)
    return int(match.group(1)) if match else 0


def find_llvm() -> str | None:
    """The newest LLVM library (>= 17) of this machine, or None. DRJIT_LIBLLVM_PATH, where set, is not questioned."""
    if chosen := os.environ.get("DRJIT_LIBLLVM_PATH"):
        return chosen
    found = {}
    for pattern in LLVM_FOLDERS:
        for folder in Path("/").glob(pattern.lstrip("/")):
            for path in [*folder.glob("libLLVM*.so*"), *folder.glob("libLLVM*.dylib")]:
                found[str(path)] = llvm_version(path.name)
    for version in range(OLDEST_LLVM, 40):
        if name := find_library(f"LLVM-{version}"):
            found.setdefault(name, version)
    good = sorted((version, path) for path, version in found.items() if version >= OLDEST_LLVM)
    return good[-1][1] if good else None


@cache
def start(variant: str = "auto", threads: int | None = None) -> ModuleType:
    """Import Mitsuba and set its variant; the module. `auto` takes the fastest that runs here.

    Raises RenderError where the variant asked for does not run here; MissingExtra where Mitsuba is not installed.
    """
    if variant != "auto" and variant not in VARIANTS:
        raise RenderError(f'No variant "{variant}".{did_you_mean(variant, [*VARIANTS, "auto"])}')
    llvm = find_llvm()
    if llvm:
        os.environ["DRJIT_LIBLLVM_PATH"] = llvm
    mi = need("mitsuba", "render", "Rendering")
    dr = need("drjit", "render", "Rendering")
    for name in VARIANTS if variant == "auto" else [variant]:
        if runs(mi, dr, name, llvm):
            mi.set_variant(VARIANTS[name])
            mi.set_log_level(mi.LogLevel.Error)
            if threads:
                dr.set_thread_count(threads)
            return mi
    raise RenderError(why_not(variant))


def runs(mi: ModuleType, dr: Any, name: str, llvm: str | None) -> bool:
    if VARIANTS[name] not in mi.variants():
        return False
    if name == "cuda":
        return dr.has_backend(dr.JitBackend.CUDA)
    if name == "llvm":
        return llvm is not None and dr.has_backend(dr.JitBackend.LLVM)
    return True


def why_not(variant: str) -> str:
    if variant == "llvm":
        return (
            f"The llvm variant needs an LLVM library of version {OLDEST_LLVM} or newer, and none was found.\n"
            "Install one (Debian, Ubuntu:  apt install libllvm19), or point at it:  "
            "export DRJIT_LIBLLVM_PATH=/path/to/libLLVM.so\n"
            "Or render without, about ten times slower:  --variant scalar"
        )
    if variant == "cuda":
        return "The cuda variant needs an NVIDIA GPU and its driver, and none answers.\nTake another:  --variant auto"
    return "This Mitsuba holds none of the variants " + ", ".join(VARIANTS.values()) + ".\nInstall the official wheel."
