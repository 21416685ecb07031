import subprocess
import sys
import time

import pytest

from vitreous.cli.main import COMMANDS, main


def test_help_lists_every_command(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_a_misspelt_command_gets_a_hint(capsys):
    assert main(["extrakt"]) == 2
    assert 'Did you mean "extract"' in capsys.readouterr().err


def test_an_error_of_ours_is_a_message_not_a_traceback(tmp_path, capsys):
    assert main(["score", str(tmp_path), str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("vitreous score: No finished run in")
    assert "Traceback" not in shown


def test_version():
    assert main(["--version"]) == 0


def loaded_by(arguments: list[str]) -> tuple[float, set[str]]:
    """Seconds that a command line takes in a fresh interpreter, and the packages it loads."""
    code = (
        "import sys; from vitreous.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return time.monotonic() - began, set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loads_nothing_heavy(name):
    heavy = {"torch", "lightning", "transformers", "lance", "mitsuba", "matplotlib", "pandas"}
    _, loaded = loaded_by([name, "--help"])
    assert not loaded & heavy


def test_help_is_quick():
    """0.5 s and 1.5 s on a quiet machine; three tries, since others may use it too."""
    assert min(loaded_by(["--help"])[0] for _ in range(3)) < 0.5
    assert min(loaded_by(["train", "--help"])[0] for _ in range(3)) < 1.5
