"""The front door: names leave it on purpose only."""

import subprocess
import sys

import vitreous


def test_names():
    assert set(vitreous.__all__) == {
        "Backbone",
        "DenseRegressor",
        "FeatureStore",
        "Run",
        "VitreousError",
        "__version__",
        "compare",
        "extract",
        "load_backbone",
        "open_source",
        "score",
        "segment",
        "train",
    }
    for name in vitreous.__all__:
        assert getattr(vitreous, name) is not None
    assert set(vitreous.__all__) <= set(dir(vitreous))


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, vitreous; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"torch", "numpy", "lance", "lightning", "transformers"}


def test_nothing_loads_a_pickle():
    """Weights are safetensors. `torch.load` and `pickle` have no business here."""
    from pathlib import Path

    for path in Path(vitreous.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for word in ("torch.load(", "pickle.load", "allow_pickle=True", "trust_remote_code=True", "import pickle"):
            assert word not in text, f"{path}: {word}"
