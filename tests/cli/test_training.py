"""Training from the command line."""

import subprocess
import sys

import pytest
import torch

from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.cli import training as training_command
from hyperspy_stem_enhance.models import list_models, load_model
from hyperspy_stem_enhance.train.loop import averaged_network


@pytest.fixture(scope="class")
def training(tmp_path_factory):
    """Arguments of a training of two steps that has been run, and its folder."""
    run = tmp_path_factory.mktemp("training") / "run"
    arguments = ["train", "--out", str(run), *TestTrain.SHORT]
    assert main(arguments) == 0
    return arguments, run


class TestTrain:
    SHORT = ("--steps", "2", "--workers", "0", "--device", "cpu")

    def test_resumes(self, training, capsys):
        arguments, run = training
        before = (run / "log.jsonl").read_text()
        assert main(arguments) == 0
        assert (run / "log.jsonl").read_text() == before
        assert str(run / "checkpoint.pt") in capsys.readouterr().out

    def test_name_makes_it_a_model(self, training, capsys, tmp_path, monkeypatch):
        monkeypatch.setenv("HSE_MODELS", str(tmp_path))
        assert main([*training[0], "--name", "mine"]) == 0
        assert str(tmp_path / "mine.safetensors") in capsys.readouterr().out
        assert list_models()["mine"]["modes"] == ["HAADF", "BF"]

    def test_name_of_the_package_is_refused_before_training(self, tmp_path, capsys):
        run = tmp_path / "run"
        assert main(["train", "--out", str(run), *self.SHORT, "--name", "sfin-fast"])
        assert "a model of the package" in capsys.readouterr().err
        assert not run.exists()

    def test_begins_with_the_weights_of_a_model(self, tmp_path):
        run = tmp_path / "run"
        arguments = ["train", "--out", str(run), *self.SHORT, "--peak-rate", "1e-9"]
        assert main([*arguments, "--start", "auto"]) == 0
        started = load_model("auto").head_conv.weight
        found = averaged_network(run / "checkpoint.pt").head_conv.weight
        torch.testing.assert_close(found, started, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("model", ["sfin-fast", "scgn-fast"])
    def test_auto_is_the_model_of_the_mode(self, model, tmp_path, monkeypatch):
        taken = {}
        monkeypatch.setattr(
            training_command, "train", lambda *args, **options: taken.update(options)
        )
        arguments = ["train", "--out", str(tmp_path / "run"), *self.SHORT]
        assert main([*arguments, "--model", model, "--start", "auto"]) == 0
        assert taken["start"] == model

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (("--model", "scgn", "--start", "sfin-fast"), "not trained for mode"),
            (("--start", "none"), "model='none' is unknown"),
            (("--peak-rate", "0"), "--peak-rate 0.0 is not positive"),
        ],
    )
    def test_bad_options_are_named(self, tmp_path, capsys, option, message):
        run = tmp_path / "run"
        assert main(["train", "--out", str(run), *self.SHORT, *option]) == 1
        assert message in capsys.readouterr().err
        assert not run.exists()

    def test_refuses_another_training_in_the_folder(self, training, capsys):
        assert main([*training[0], "--seed", "7"]) == 1
        assert "other settings" in capsys.readouterr().err

    def test_needs_no_hyperspy(self, tmp_path):
        code = (
            "import sys\n"
            "sys.modules['hyperspy'] = None\n"
            "import importlib.util as util\n"
            "real = util.find_spec\n"
            "util.find_spec = lambda name, *a: "
            "None if name == 'hyperspy' else real(name, *a)\n"
            "from hyperspy_stem_enhance.cli import main\n"
            f"status = main(['train', '--out', {str(tmp_path)!r}, '--steps', '1', "
            "'--workers', '0', '--device', 'cpu'])\n"
            "sys.exit(status)\n"
        )
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        assert " min  step 1 of 1: loss" in result.stdout
        assert (tmp_path / "checkpoint.pt").exists()

    @pytest.mark.parametrize(
        "option", [("--steps", "0"), ("--minutes", "-1"), ("--batch-factor", "0")]
    )
    def test_refuses_numbers(self, tmp_path, capsys, option):
        arguments = ["train", "--out", str(tmp_path / "run"), *self.SHORT]
        assert main([*arguments, *option]) == 1
        assert " ".join(option) in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
