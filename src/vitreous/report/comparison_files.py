"""A comparison as files.

table.md       means, differences and materials, to read
table.csv      a line per group or reference and metric, with the settings that differ
table.tex      a booktabs table
tests.csv      a line per difference; materials.csv per pair of materials
figures/       each as SVG and PNG, see figures/
"""

from pathlib import Path

from vitreous.report.compare import Comparison
from vitreous.report.comparison_text import as_latex, as_markdown


def write_tables(comparison: Comparison, out: Path) -> list[Path]:
    """Write all tables into a folder, which is made if missing; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    settings = comparison.settings.reset_index()
    settings.columns = [name if name == "label" else f"setting {name}" for name in settings]
    texts = {
        "table.md": as_markdown(comparison),
        "table.csv": comparison.table.merge(settings, on="label", how="left").to_csv(index=False),
        "table.tex": as_latex(comparison),
        "tests.csv": comparison.tests.to_csv(index=False),
    }
    if len(comparison.materials):
        texts["materials.csv"] = comparison.materials.to_csv(index=False)
    for name, text in texts.items():
        new = out / f"{name}.new"
        new.write_text(text)
        new.replace(out / name)
    return [out / name for name in texts]
