"""The table of commands. Reading it loads neither torch nor jsonargparse; a command loads what it needs."""

import sys
from importlib import import_module

from vitreous import __version__
from vitreous.errors import VitreousError, did_you_mean

# name -> (where, what it does); a dict of functions is a group of commands. No function is called like a name of the
# package itself: jsonargparse looks it up there, and that would load torch
COMMANDS = {
    "demo": (
        "vitreous.cli.demo:demo",
        "the main job on embedded data, offline: extract, train, score, pictures",
    ),
    "render": ("vitreous.cli.render:render", "make scenes of metal and rubber objects, with ids and depth"),
    "extract": ("vitreous.cli.extract:extract_features", "pictures or videos -> feature store"),
    "train": ("vitreous.cli.train:command", "feature store -> run: a slot model"),
    "regrid": ("vitreous.cli.regrid:regrid", "a run for another grid: trained on 16x16 patches, used on 32x32"),
    "score": ("vitreous.cli.score:score_run", "run x store -> ARI, FG-ARI, mBO, mIoU with intervals"),
    "slots": ("vitreous.cli.slots:command", "where slots lie: t-SNE, PCA, clusters, nearest neighbours"),
    "failures": ("vitreous.cli.failures:command", "the worst scenes of a run, or where two differ, and likely causes"),
    "diagnose": ("vitreous.cli.diagnose:command", "what is wrong with a run, in words, and what to try next"),
    "sweep": ("vitreous.cli.sweep:command", "grid or search over any settings -> many runs, scored; resumes"),
    "compare": ("vitreous.cli.compare:command", "scored runs -> one table, a test per difference, figures, a page"),
    "segment": ("vitreous.cli.segment:command", "pictures, videos, a camera -> masks, overlays, cut-outs, COCO"),
    "view": ("vitreous.cli.view:command", "see what a run sees, in the browser: your pictures, clips, stores"),
    "regress": ("vitreous.cli.regress:command", "fit, predict, report: a table of numbers -> heads -> new pictures"),
    "export": ("vitreous.cli.export:export", "run -> one ONNX or torch.export file, checked against PyTorch"),
    "hub": ("vitreous.cli.hub:command", "push, pull: runs on the Hugging Face hub; hf://owner/name is a run anywhere"),
    "backbones": ("vitreous.cli.backbones:command", "list, check, stats, panel: frozen Vision Transformers"),
    "inspect": ("vitreous.cli.inspect:inspect", "what a store or a run holds, and whether it is intact"),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            f"vitreous {__version__}: objects and quantities from the patch features of a frozen ViT",
            "",
            "usage: vitreous COMMAND [options]      vitreous COMMAND --help",
            "",
            *rows,
            "",
            "Start with:  vitreous demo",
        ]
    )


def dashed(argument: str) -> str:
    """--slot-dim=3 -> --slot_dim=3: functions spell their parameters with underscores, people type dashes."""
    if not argument.startswith("--"):
        return argument
    option, equals, value = argument.partition("=")
    return "--" + option[2:].replace("-", "_") + equals + value


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 bad input, 2 bad usage, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] in ("-V", "--version"):
        print(__version__)
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        print(f'vitreous: no command "{name}".{did_you_mean(name, COMMANDS)}', file=sys.stderr)
        return 2
    module, _, attribute = COMMANDS[name][0].partition(":")
    try:
        target = getattr(import_module(module), attribute)
        from vitreous.cli.parser import run

        run(target, [dashed(argument) for argument in rest], f"vitreous {name}")
    except VitreousError as error:
        print(f"vitreous {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nvitreous {name}: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
