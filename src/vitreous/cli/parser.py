"""A typed function as a command line."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, get_args, get_origin

from jsonargparse import ArgumentParser, auto_cli


@dataclass(frozen=True)
class Completed:
    """A command whose options depend on what is typed: `complete(arguments)` gives the function, and its arguments."""

    complete: Callable[[list[str]], tuple[Callable | dict[str, Any], list[str]]]


def second_is(option: str, target: Callable) -> Completed:
    """A command whose second positional argument may be left out: RUN STORE is RUN --store STORE."""

    def complete(arguments: list[str]) -> tuple[Callable, list[str]]:
        if len(arguments) > 1 and not any(argument.startswith("-") for argument in arguments[:2]):
            return target, [arguments[0], f"--{option}", *arguments[1:]]
        return target, arguments

    return Completed(complete)


class Parser(ArgumentParser):
    """Shows options the way people type them: --slot-dim, not --slot_dim."""

    def format_help(self) -> str:
        return with_dashes(super().format_help())

    def format_usage(self) -> str:
        return with_dashes(super().format_usage())


def with_dashes(text: str) -> str:
    text = text.replace("""'["PATH1",...]' | LIST_OF_PATHS_FILE | -""", "PATH [PATH ...]")
    return re.sub(r"--[a-z_.]+", lambda option: option[0].replace("_", "-"), text)


def together(target: Callable, arguments: list[str]) -> list[str]:
    """Values of options that take a fixed number of them, as one: --objects 3 10 becomes --objects=[3,10]."""
    joined = list(arguments)
    for name, parameter in signature(target).parameters.items():
        count, option = len(get_args(parameter.annotation)), f"--{name}"
        if get_origin(parameter.annotation) is tuple and option in joined:
            at = joined.index(option)
            values = joined[at + 1 : at + 1 + count]
            if len(values) == count and not any(value.startswith(("-", "[")) for value in values):
                joined[at : at + 1 + count] = [f"{option}=[{','.join(values)}]"]
    return joined


def run(target: Callable | dict[str, Any] | Completed, arguments: list[str], name: str) -> None:
    """Parse and call. Parameters without a default are positional, the others are options."""
    if isinstance(target, Completed):
        target, arguments = target.complete(arguments)
    if callable(target):
        arguments = together(target, arguments)
    auto_cli(target, args=with_values(target, arguments), prog=name, as_positional=True, parser_class=Parser)


def with_values(target: Callable | dict[str, Any], arguments: list[str]) -> list[str]:
    """--download -> --download=true: a yes-or-no option may stand alone."""
    functions = target.values() if isinstance(target, dict) else [target]
    flags = {f"--{p.name}" for f in functions for p in signature(f).parameters.values() if p.annotation is bool}
    following = [*arguments, ""][1:]
    return [
        f"{given}=true" if given in flags and next_one not in ("true", "false") else given
        for given, next_one in zip(arguments, following, strict=True)
    ]
