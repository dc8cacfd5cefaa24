"""Exported generators agree with PyTorch at sizes that were not traced, and with absent masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

import train
from conftest import one_line_error
from data.scene import Scene
from models.exporting import ImageAlone, count_masks, example
from models.pasting import LEFT_OUT, Pasting, grown
from scripts import export

TOLERANCE = 1e-4


@pytest.fixture
def trained(run):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --init_gain 0.3")


def agree(found, expected, tolerance: float = TOLERANCE) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (torch.as_tensor(one) - other).abs().max() < tolerance


def test_onnx_and_program_agree_with_pytorch(trained, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    export.main(["--name", "r", "--masks", "3", "--output", "out"])
    table = capsys.readouterr().out
    assert "out/r_AtoB.onnx" in table and "out/r_AtoB.pt2" in table
    opt, checkpoints = export.options(export.parse(["--name", "r"]))
    networks = export.load_model(opt, checkpoints).networks
    network, other = networks["G_A"], networks["G_B"]
    program = torch.export.load("out/r_AtoB.pt2").module()
    session = onnxruntime.InferenceSession("out/r_AtoB.onnx", providers=["CPUExecutionProvider"])
    for height, width, absent in ((24, 64, False), (52, 28, True), (40, 48, False)):
        inputs = example(3, 3, height, width, absent)
        expected = network(*inputs)
        assert not torch.allclose(expected[0], other(*inputs)[0], atol=1e-2)
        agree(program(*inputs), expected)
        named = dict(zip(("image", "masks", "present"), map(np.asarray, inputs), strict=True))
        agree(session.run(["translated_image", "translated_masks"], named), expected)
        assert not absent or (expected[1][0, -1] == -1).all()


def test_stacked_generators_and_other_directions(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --netG basic --direction BtoA")
    export.main(["--name", "r", "--format", "torch", "--direction", "BtoA"])
    assert [path.name for path in Path("exported").iterdir()] == ["r_BtoA.pt2"]
    with pytest.raises(SystemExit) as stop:
        export.main(["--name", "r", "--masks", "3"])
    assert stop.value.code == 2
    one_line_error(capsys, "--masks 3", "2 masks")


@pytest.mark.parametrize("model,masks", [("cycle_gan", 0), ("cycle_gan_seg", 1)])
def test_baselines(run, model, masks):
    run(train.main, f"--name r --niter 1 --niter_decay 0 --no_html --model {model}")
    onnxruntime = pytest.importorskip("onnxruntime")
    export.main(["--name", "r"])
    session = onnxruntime.InferenceSession(
        "exported/r_AtoB.onnx", providers=["CPUExecutionProvider"]
    )
    names = ["image", "masks", "present"] if masks else ["image"]
    assert [given.name for given in session.get_inputs()] == names
    opt, checkpoints = export.options(export.parse(["--name", "r"]))
    network = export.load_model(opt, checkpoints).networks["G_A"]
    assert count_masks(network, opt, None) == masks
    inputs = example(3, masks, 36, 28)
    alone = network if masks else ImageAlone(network)
    named = dict(zip(names, map(np.asarray, inputs), strict=True))
    agree(session.run(None, named), alone(*inputs))


def test_what_does_not_agree_is_not_kept(trained, monkeypatch, capsys):
    monkeypatch.setattr(export, "largest_difference", lambda *_: float("nan"))
    with pytest.raises(SystemExit) as stop:
        export.main(["--name", "r", "--format", "torch"])
    assert stop.value.code == 2 and not list(Path("exported").iterdir())
    one_line_error(capsys, "r_AtoB.pt2", "differs")


def test_grey_generators_and_weights_that_do_not_fit(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --input_nc 1 --output_nc 1")
    export.main(["--name", "r", "--format", "torch"])
    options = Path("checkpoints/r/options.json")
    options.write_text(options.read_text().replace('"ngf": 4', '"ngf": 8'))
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        export.main(["--name", "r", "--format", "torch"])
    assert stop.value.code == 2
    one_line_error(capsys, "latest_net_G_A.pth is of another architecture")


def test_what_is_missing_is_named(run, monkeypatch, capsys):
    for words, said in (
        (["--name", "nothing"], "nothing/latest_net_G_A.pth"),
        (["--name", "r", "--masks", "0"], "--masks 0"),
        (["--name", "r", "--output", "/proc/nowhere/deep"], "--output /proc/nowhere/deep"),
    ):
        with pytest.raises(SystemExit) as stop:
            export.main(words)
        assert stop.value.code == 2
        one_line_error(capsys, said)
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        export.main(["--name", "r", "--format", "onnx"])
    one_line_error(capsys, "requirements-export.txt")


@pytest.mark.parametrize("edge,on", [("soft", "source"), ("hard", "source"), ("soft", "fill")])
def test_pasting_is_in_the_graph(run, edge, on):
    """Alike at sizes that were not traced, and the picture far from all masks is the source's."""
    onnxruntime = pytest.importorskip("onnxruntime")
    words = f"--init_gain 0.02 --paste 2 --paste_edge {edge} --paste_on {on}"
    run(train.main, f"--name r --niter 1 --niter_decay 0 --no_html {words}")
    export.main(["--name", "r", "--masks", "2"])
    opt, checkpoints = export.options(export.parse(["--name", "r"]))
    network = export.load_model(opt, checkpoints).networks["G_A"]
    program = torch.export.load("exported/r_AtoB.pt2").module()
    session = onnxruntime.InferenceSession(
        "exported/r_AtoB.onnx", providers=["CPUExecutionProvider"]
    )
    for height, width in ((24, 28), (64, 64), (132, 200)):
        image = torch.rand(1, 3, height, width) * 2 - 1
        masks = torch.full((1, 2, height, width), -1.0)
        masks[0, 0, 10:18, 8:14] = 1
        present = torch.tensor([[True, False]])
        inputs = {"image": image, "masks": masks, "present": present}
        if on == "fill":
            inputs["others"] = torch.full((1, 1, height, width), -1.0)
            inputs["others"][..., 10:18, 14:18] = 1  # touches the first
        named = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = session.run(["translated_image", "translated_masks"], named)
        translated, new_masks = network(image, masks, present)
        canvas = Scene(
            image, masks, present, extras={LEFT_OUT: inputs["others"]} if on == "fill" else {}
        )
        pasted = Pasting(2, edge, on).exactly(canvas, Scene(translated, new_masks, present))
        expected = (pasted.image, new_masks)
        agree(found, expected, 1e-3)  # weights so small are normalised: more is lost in rounding
        agree(program(*inputs.values()), expected, 1e-3)
        objects = (torch.cat([masks, expected[1]], 1) > 0).any(1, keepdim=True).float()
        outside = (grown(objects, 4) == 0).expand_as(image)
        assert torch.equal(torch.as_tensor(found[0])[outside], image[outside])
        assert not torch.equal(torch.as_tensor(found[0]), image)
