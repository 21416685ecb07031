"""Backbones by short name: which checkpoint of the Hugging Face hub, at which commit, and what it is.

The revisions are commits of the hub that several public projects have pinned independently; none is taken from
memory. Where no such source was found the preset is unpinned, and the commit that was loaded stands in `describe()`.
"""

from dataclasses import dataclass

Triple = tuple[float, float, float]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

APACHE = "Apache-2.0"
DINOV3 = "DINOv3 License"
PICKLE = (
    "pinned at the hub's main branch, where only a pickle is known to lie: convert it once, or name a revision that "
    "holds model.safetensors (docs/backbones.md)"
)


@dataclass(frozen=True)
class Preset:
    """A backbone by short name.

    hub_id    repository on the hub; None where the weights are part of this package
    revision  commit of that repository; None: unpinned
    patch     side of a patch, in pixels
    width     numbers per patch
    layers    transformer blocks
    norm      mean and std of RGB in [0, 1], used where the checkpoint itself does not tell
    gated     its licence must be accepted on the hub before it can be downloaded
    """

    hub_id: str | None
    revision: str | None
    patch: int
    width: int
    layers: int
    norm: tuple[Triple, Triple]
    licence: str
    gated: bool = False
    note: str = ""

    @property
    def url(self) -> str:
        return f"https://huggingface.co/{self.hub_id}" if self.hub_id else ""


def dinov2(size: str, revision: str, width: int, layers: int) -> Preset:
    return Preset(f"facebook/dinov2-{size}", revision, 14, width, layers, IMAGENET, APACHE)


def dinov3(size: str, revision: str, width: int, layers: int) -> Preset:
    name = f"facebook/dinov3-{size}-pretrain-lvd1689m"
    return Preset(name, revision, 16, width, layers, IMAGENET, DINOV3, gated=True)


def dino(size: str, revision: str | None, patch: int, width: int) -> Preset:
    note = PICKLE if revision else "unpinned: no source for a commit was found"
    return Preset(f"facebook/dino-{size}", revision, patch, width, 12, IMAGENET, APACHE, note=note)


def siglip2(size: str, revision: str, patch: int, width: int, layers: int, note: str = "") -> Preset:
    return Preset(f"google/siglip2-{size}", revision, patch, width, layers, HALF, APACHE, note=note)


PRESETS: dict[str, Preset] = {
    "glass_tiny": Preset(
        hub_id=None,
        revision=None,
        patch=8,
        width=192,
        layers=6,
        norm=((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        licence=APACHE,
        note="part of this package; trained on rendered table-top scenes",
    ),
    "dinov2_vits14": dinov2("small", "ed25f3a31f01632728cabb09d1542f84ab7b0056", 384, 12),
    "dinov2_vitb14": dinov2("base", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", 768, 12),
    "dinov2_vitl14": dinov2("large", "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c", 1024, 24),
    "dinov2_vitg14": dinov2("giant", "611a9d42f2335e0f921f1e313ad3c1b7178d206d", 1536, 40),
    "dinov2_vits14_reg": dinov2("with-registers-small", "0d9846e56b43a21fa46d7f3f5070f0506a5795a9", 384, 12),
    "dinov2_vitb14_reg": dinov2("with-registers-base", "a1d738ccfa7ae170945f210395d99dde8adb1805", 768, 12),
    "dinov2_vitl14_reg": dinov2("with-registers-large", "e4c89a4e05589de9b3e188688a303d0f3c04d0f3", 1024, 24),
    "dinov2_vitg14_reg": dinov2("with-registers-giant", "8d0d49f77fb8b5dd78842496ff14afe7dd4d85cb", 1536, 40),
    "dino_vits16": dino("vits16", "abe3b354cb6a9b6f146096b14a4a9d7eecbcb4bd", 16, 384),
    "dino_vits8": dino("vits8", None, 8, 384),
    "dino_vitb16": dino("vitb16", "f205d5d8e640a89a2b8ef0369670dfc37cc07fc2", 16, 768),
    "dino_vitb8": dino("vitb8", None, 8, 768),
    "clip_vitb16": Preset(
        hub_id="openai/clip-vit-base-patch16",
        revision="5ef227a78de3f75873f373246dac80def63b0003",
        patch=16,
        width=768,
        layers=12,
        norm=CLIP,
        licence="MIT",
        note="the hub's own safetensors conversion (refs/pr/17); main holds a pickle",
    ),
    "clip_vitl14": Preset(
        hub_id="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
        patch=14,
        width=1024,
        layers=24,
        norm=CLIP,
        licence="MIT",
    ),
    "dinov3_vits16": dinov3("vits16", "114c1379950215c8b35dfcd4e90a5c251dde0d32", 384, 12),
    "dinov3_vits16plus": dinov3("vits16plus", "c93d816fc9e567563bc068f01475bec89cc634a6", 384, 12),
    "dinov3_vitb16": dinov3("vitb16", "5931719e67bbdb9737e363e781fb0c67687896bc", 768, 12),
    "dinov3_vitl16": dinov3("vitl16", "ea8dc2863c51be0a264bab82070e3e8836b02d51", 1024, 24),
    "dinov3_vith16plus": dinov3("vith16plus", "c807c9eeea853df70aec4069e6f56b28ddc82acc", 1280, 32),
    "siglip2_vitb16": siglip2("base-patch16-224", "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", 16, 768, 12),
    "siglip2_so400m14": siglip2("so400m-patch14-384", "e8e487298228002f3d8a82e0cd5c8ea9c567f57f", 14, 1152, 27),
    "siglip2_vitb16_naflex": siglip2(
        "base-patch16-naflex",
        "b53b807d3a2d5e2b3911292f2d69e5341cdc064c",
        16,
        768,
        12,
        "trained on pictures of many aspect ratios",
    ),
    "mae_vitb16": Preset(
        hub_id="facebook/vit-mae-base",
        revision="25b184bea5538bf5c4c852c79d221195fdd2778d",
        patch=16,
        width=768,
        layers=12,
        norm=IMAGENET,
        licence="Apache-2.0 on the hub, CC-BY-NC-4.0 in the original release",
    ),
}
