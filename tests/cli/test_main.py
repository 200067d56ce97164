"""The command itself: help, arguments, interrupts."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from hyperspy_stem_enhance import __version__
from hyperspy_stem_enhance.cli import main


def test_module_runs():
    command = [sys.executable, "-m", "hyperspy_stem_enhance", "--version"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == __version__


@pytest.mark.parametrize(
    "arguments", [[], ["enhance"], ["enhance", "a", "--mode", "x"]]
)
def test_arguments_not_understood(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_loads_no_heavy_module():
    code = (
        "import sys\n"
        "from hyperspy_stem_enhance.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'atomap', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def _interrupt(process):
    """Errors of a process that is interrupted, as a user would, until it ends.

    CPython drops an interrupt that meets code which cannot raise it.
    """
    for _ in range(20):
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=30)[1]
    raise AssertionError("the process goes on")


def test_interrupt_from_the_terminal(tmp_path):
    arguments = ["train", "--out", str(tmp_path / "run"), "--steps", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hyperspy_stem_enhance", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Background jobs of a shell hand down that they ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "run" / "settings.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    error = _interrupt(process)
    # The second is CPython's own way, where the signal met code run from a string
    # (dataclasses, while PyTorch is imported): shells read both as an interrupt
    assert process.returncode in (130, -signal.SIGINT)
    assert "interrupted" in error
