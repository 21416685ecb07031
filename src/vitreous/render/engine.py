"""Starting Mitsuba: which of its variants runs here, and how to say so.

A variant is a whole build of the renderer: `cuda` (an NVIDIA GPU), `llvm` (vectorised, all processor cores, needs an
LLVM library) and `scalar` (runs everywhere). One process uses one variant.
"""

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from vitreous.errors import VitreousError, did_you_mean
from vitreous.extras import need

VARIANTS = {"cuda": "cuda_ad_rgb", "llvm": "llvm_ad_rgb", "scalar": "scalar_rgb"}
OLDEST_LLVM = 17  # older ones (15 and 16 were tried) abort the process on processors that they do not know
LLVM_FOLDERS = (
    f"{sys.prefix}/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/*-linux-gnu",
    "/usr/lib/llvm-*/lib",
    "/usr/lib64/llvm*/lib*",
    "/usr/local/lib",
    "/opt/homebrew/opt/llvm*/lib",
    "/usr/local/opt/llvm*/lib",
)
LLVM_VERSION = re.compile(r"llvm[^/]*?[-.@/](?:so\.)?(\d+)", re.IGNORECASE)


class RenderError(VitreousError):
    """Settings or a machine with which nothing can be rendered."""


def llvm_version(path: str) -> int:
    """The major version that a library's path tells; 0 where it tells none.

    >>> [llvm_version(p) for p in ("libLLVM-19.so", "libLLVM.so.19.1", "libLLVM-14.0.6.so.1", "llvm@18/libLLVM.dylib")]
    [19, 19, 14, 18]
    """
    match = LLVM_VERSION.search(path)
    return int(match.group(1)) if match else 0


def find_llvm(folders: tuple[str, ...] = LLVM_FOLDERS) -> str | None:
    """The newest LLVM library (>= 17) of this machine, or None. DRJIT_LIBLLVM_PATH, where set, is not questioned."""
    if chosen := os.environ.get("DRJIT_LIBLLVM_PATH"):
        return chosen
    found = [
        (llvm_version(str(library.resolve())), str(library))
        for pattern in folders
        for folder in Path("/").glob(pattern.lstrip("/"))
        for ending in (".so*", ".dylib")
        for library in folder.glob(f"libLLVM*{ending}")
    ]
    version, path = max(found, default=(0, None))
    return path if version >= OLDEST_LLVM else None


def start(variant: str = "auto", threads: int | None = None) -> ModuleType:
    """Import Mitsuba and set its variant; the module. `auto` takes the fastest that runs here.

    Asked again, it answers the same; another variant in the same process is refused, because what Mitsuba has made in
    one cannot be used in another. Raises RenderError where the variant does not run here; MissingExtra where Mitsuba
    is not installed.
    """
    if variant not in (*VARIANTS, "auto"):
        raise RenderError(f'No variant "{variant}".{did_you_mean(variant, [*VARIANTS, "auto"])}')
    llvm = find_llvm()
    if llvm:
        os.environ["DRJIT_LIBLLVM_PATH"] = llvm  # read when Mitsuba is imported
    mi = need("mitsuba", "render", "Rendering")
    dr = need("drjit", "render", "Rendering")
    if running := mi.variant():
        if running == VARIANTS.get(variant, running):
            return mi
        raise RenderError(
            f"This process already renders with {running}; {VARIANTS[variant]} needs a process of its own.\n"
            f"Ask for it first, or run:  vitreous render --variant {variant}"
        )
    for name in VARIANTS if variant == "auto" else [variant]:
        if runs(mi, dr, name, llvm):
            mi.set_variant(VARIANTS[name])
            mi.set_log_level(mi.LogLevel.Error)
            if threads:
                dr.set_thread_count(threads)
            return mi
    raise RenderError(why_not(variant))


def runs(mi: ModuleType, dr: Any, name: str, llvm: str | None) -> bool:
    """Whether this machine can run the variant."""
    if VARIANTS[name] not in mi.variants():
        return False
    if name == "cuda":
        return bool(dr.has_backend(dr.JitBackend.CUDA))
    if name == "llvm":
        return llvm is not None and bool(dr.has_backend(dr.JitBackend.LLVM))
    return True


def why_not(variant: str) -> str:
    """What to tell who asked for a variant that does not run here."""
    if variant == "llvm":
        return (
            f"The llvm variant needs an LLVM library of version {OLDEST_LLVM} or newer, and none was found.\n"
            "Install one (Debian, Ubuntu:  apt install libllvm19), or point at one:  "
            "export DRJIT_LIBLLVM_PATH=/path/to/libLLVM.so\n"
            "Or render without:  --variant scalar"
        )
    if variant == "cuda":
        return "The cuda variant needs an NVIDIA GPU and its driver, and none answers.\nTake another:  --variant auto"
    return f"This Mitsuba holds none of {', '.join(VARIANTS.values())}.\nInstall its wheel:  pip install mitsuba"
