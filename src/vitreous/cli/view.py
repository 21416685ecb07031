"""vitreous view"""

from collections.abc import Callable
from pathlib import Path

from vitreous.cli.parser import Completed


def open_viewer(
    what: Path | None = None,
    store: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    no_browser: bool = False,
    device: str = "auto",
) -> None:
    """See what a run sees, in the browser: drop a picture or a clip; objects, attention, features, export.

    vitreous view            with the runs that come with the package
    vitreous view RUN        with yours; runs in the same folder can be chosen, too
    vitreous view STORE      on the pictures of a store

    It listens on this machine only and asks nothing of any other. Ctrl+C ends it.

    Args:
        what: A run, a folder of runs, or a store (its name ends in .lance).
        store: Where "find elsewhere" looks; default: the store that the run was scored on.
        host: 127.0.0.1 is this machine only; 0.0.0.0 lets the network in.
        port: Default: the first free one from 7860.
        share: Also give it a public address, through a server of Gradio's.
        no_browser: Print the address only.
        device: Of the backbone: auto, cpu, cuda ...
    """
    from shutil import rmtree

    from vitreous.view.serve import own_folder, serve

    aside = own_folder()  # before Gradio is imported: uploads go there
    try:
        from vitreous.view.offer import offer
        from vitreous.view.page import Page
        from vitreous.view.viewer import Viewer

        page = Page(Viewer(offer(what, store), aside, device))
        serve(page, host, port, share, browser=not no_browser)
    finally:
        rmtree(aside, ignore_errors=True)


def complete(arguments: list[str]) -> tuple[Callable, list[str]]:
    """What to open may be named without its option, or left out."""
    named = arguments[:1] and not arguments[0].startswith("-")
    return open_viewer, ["--what", *arguments] if named else arguments


command = Completed(complete)
