"""Every command that README and docs show is one that the real parser takes: options that are gone are found here."""

import shlex
import tomllib

import pytest
from jsonargparse import auto_cli, capture_parser

import vitreous.cli.parser
from vitreous.cli.main import COMMANDS, main
from vitreous.cli.train import settings_of
from vitreous.methods import METHODS

from .snippets import PAGES, ROOT, commands, snippets, spoken

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.fixture
def parse(monkeypatch, capsys):
    """`parse(words)` -> exit status, what was printed, what was complained of: all but the work."""

    def only_parsed(*given, args, **how):
        capture_parser(lambda: auto_cli(*given, args=args, **how)).parse_args(args)

    monkeypatch.setattr(vitreous.cli.parser, "auto_cli", only_parsed)

    def parse(words):
        try:
            status = main(words)
        except SystemExit as stop:  # --help, --print-config, or what the parser does not take
            status = stop.code
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return parse


@pytest.mark.parametrize("name", NAMES)
def test_commands_parse(name, parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    for command in (c for s in snippets(ROOT / name) for c in commands(s) if c.words[0] == "vitreous"):
        status, out, err = parse(command.words[1:])
        if status != 0:
            wrong.append(f"{command}\n    {err.strip().splitlines()[-1]}")
        if command.into:
            (tmp_path / command.into).write_text(out)
    assert not wrong, "\n".join(wrong)


def test_a_command_that_is_gone_is_found(parse):
    assert parse(["train", "scenes.lance", "--slotz", "7"])[0] == 1
    assert parse(["score", "run", "test.lance", "--prunne", "auto"])[0] == 2
    assert parse(["scor", "run"])[0] == 2
    assert parse(["score", "run", "test.lance", "--prune", "auto"])[0] == 0


@pytest.fixture(scope="module")
def of_methods():
    return {f"--{option.replace('_', '-')}" for method in METHODS for option in settings_of(method)[0]}


@pytest.mark.parametrize("name", NAMES)
def test_commands_within_sentences_name_what_there_is(name, parse, of_methods):
    for said in spoken(ROOT / name):
        words = shlex.split(said)[1:]
        plain = [word for word in words[:2] if not word.startswith("-") and word.islower() and "." not in word]
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, f"{name}: {said}"
        group = plain if words[0] in ("backbones", "regress") else plain[:1]
        status, shown, _ = parse([*group, "--help"])
        assert status == 0, f"{name}: {said}"
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        known = set(shown.replace("=", " ").replace(",", " ").split()) | {"--help"}
        if words[0] in ("train", "sweep"):
            known |= of_methods | {"--method"}
        assert options <= known, f"{name}: {said}: no {', '.join(options - known)}"


@pytest.mark.parametrize("name", NAMES)
def test_scripts_targets_and_extras_that_are_named_exist(name):
    makefile = (ROOT / "Makefile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for snippet in snippets(ROOT / name):
        for command in commands(snippet):
            program, *words = command.words
            if program == "make":
                assert f"\n{words[0]}:" in makefile, str(command)
            if program == "python" and words[0] not in ("-c", "-m"):
                assert (ROOT / words[0]).is_file(), str(command)
            if program == "pip":
                asked = [w[w.index("[") + 1 : -1].split(",") for w in words if w.startswith("vitreous[")]
                assert {extra for some in asked for extra in some} <= set(extras), str(command)
