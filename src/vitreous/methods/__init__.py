"""One paper, one file; chosen by name."""

from importlib import import_module

from vitreous.errors import RunError, did_you_mean
from vitreous.methods.base import Method

METHODS = {
    "dias": "vitreous.methods.dias:DIAS",
    "dinosaur": "vitreous.methods.dinosaur:DINOSAUR",
    "randsfq": "vitreous.methods.randsfq:RandSFQ",
    "savi": "vitreous.methods.savi:SAVi",
    "savi_dinosaur": "vitreous.methods.savi_dinosaur:SAViDINOSAUR",
    "slate": "vitreous.methods.slate:SLATE",
    "slot_attention": "vitreous.methods.slot_attention:SlotAttentionAutoEncoder",
    "slotcontrast": "vitreous.methods.slotcontrast:SlotContrast",
    "slotdiffusion": "vitreous.methods.slotdiffusion:SlotDiffusion",
    "slotformer": "vitreous.methods.slotformer:SlotFormer",
    "smoothsa": "vitreous.methods.smoothsa:SmoothSA",
    "spot": "vitreous.methods.spot:SPOT",
    "steve": "vitreous.methods.steve:STEVE",
    "videosaur": "vitreous.methods.videosaur:VideoSAUR",
}


def method_class(name: str) -> type[Method]:
    """The class behind a method's name."""
    if name not in METHODS:
        raise RunError(f'No method "{name}".{did_you_mean(name, METHODS)}')
    module, _, attribute = METHODS[name].partition(":")
    return getattr(import_module(module), attribute)
