"""Where the page is served: on this machine alone, unless somebody asks for more."""

import os
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from vitreous.errors import VitreousError

HERE = Path(__file__).parent
HOME = ("127.0.0.1", "localhost", "::1")
LARGEST = "300mb"  # of an upload


def own_folder() -> Path:
    """A new folder for uploads and for what can be made again; Gradio looks for it in the environment."""
    folder = Path(mkdtemp(prefix="vitreous-view-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    return folder


def warning(host: str, share: bool) -> str:
    """What it means that others can reach the page; nothing where they cannot."""
    if share:
        return (
            "--share: the page goes through a server of Gradio's to a public address. Whoever has that address can "
            "bring files, and see what this run and its store show."
        )
    if host not in HOME:
        return (
            f"--host {host}: everybody who can reach this machine can open the page, bring files, and see what this "
            "run and its store show. There is no password."
        )
    return ""


def serve(
    page: Any, host: str = "127.0.0.1", port: int | None = None, share: bool = False, browser: bool = True,
    wait: bool = True,
) -> str:  # fmt: skip
    """Serve a page until it is interrupted; without `wait`, return its address at once.

    Every switch by which Gradio would speak to others is off: telemetry, its hub, histories, a node server.
    """
    if said := warning(host, share):
        print(f"warning: {said}", file=sys.stderr)
    try:
        _, address, public = page.blocks.launch(
            server_name=host, server_port=port, share=share, inbrowser=browser, quiet=True, prevent_thread_lock=True,
            ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False, run_history=False, footer_links=[],
            max_file_size=LARGEST, theme=page.theme, css=(HERE / "page.css").read_text(), show_error=False,
        )  # fmt: skip
    except OSError as error:
        raise VitreousError(f"{error}\nAnother port:  vitreous view --port 8000") from None
    print(f"{public or address}  (Ctrl+C ends it)", flush=True)
    if wait:
        page.blocks.block_thread()
    return address
