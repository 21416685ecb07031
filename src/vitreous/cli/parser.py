"""A typed function as a command line."""

import re
from collections.abc import Callable
from typing import Any

from jsonargparse import ArgumentParser, auto_cli


class Parser(ArgumentParser):
    """Shows options the way people type them: --slot-dim, not --slot_dim."""

    def format_help(self) -> str:
        return with_dashes(super().format_help())

    def format_usage(self) -> str:
        return with_dashes(super().format_usage())


def with_dashes(text: str) -> str:
    return re.sub(r"--[a-z_.]+", lambda option: option[0].replace("_", "-"), text)


def run(target: Callable | dict[str, Any], arguments: list[str], name: str) -> None:
    """Parse and call. Parameters without a default are positional, the others are options."""
    auto_cli(target, args=arguments, prog=name, as_positional=True, parser_class=Parser)
