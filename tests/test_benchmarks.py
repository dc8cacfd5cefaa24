"""The benchmarks run, and what they count is right."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import (
    convolutions,
    data_loading,
    edge_layers,
    loggers,
    model_cost,
    option_cost,
    profiling,
    saving,
    scaling,
    style_cost,
    train_step,
)
from conftest import one_line_error


def test_the_step_is_measured(tmp_path, capsys):
    words = "--size 32 --ngf 4 --n_blocks 1 --instances 2 --batch_size 1 2 --steps 1 --gpu_ids -1"
    train_step.main([*words.split(), "--json", str(tmp_path / "figures.json")])
    found = json.loads((tmp_path / "figures.json").read_text())
    assert [figures["batch_size"] for figures in found] == [1, 2]
    for figures in found:
        assert figures["seconds_per_step"] > 0 and figures["floor_seconds"] > 0
        assert 0 < figures["convolution_share"] < 1 and "kernels" not in figures
    ratio = found[1]["teraflop_per_step"] / found[0]["teraflop_per_step"]
    assert ratio == pytest.approx(2, rel=0.01)
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 5 and "step/floor" in table[2]


def test_kernels_of_a_gpu_are_counted():
    gpu, cpu = DeviceType.CUDA, DeviceType.CPU
    found = [
        ("void cudnn::engines_precompiled::nchwToNhwcKernel<half>", gpu, 3),
        ("void cudnn::ops::nhwctonchwkernel", gpu, 2),
        ("void at::native::elementwise_kernel", gpu, 10),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16", gpu, 1),
        ("Memcpy HtoD (Pinned -> Device)", gpu, 7),
        ("Optimizer.step#Adam.step", gpu, 2),
        ("aten::convolution", cpu, 90),
    ]
    events = [
        SimpleNamespace(
            key=key,
            device_type=kind,
            count=n,
            is_user_annotation="#" in key,
            self_device_time_total=5.0,
        )
        for key, kind, n in found
    ]
    assert profiling.kernels(events) == {
        "kernels": 16,
        "layout_conversions": 5,
        "convolution_share": 0.25,
    }


def test_convolutions_are_counted_as_pytorch_counts_them():
    """Forward and backward, strided, transposed, without a gradient of the weights or the input."""
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2, padding=1),
        torch.nn.ConvTranspose2d(4, 5, 3, stride=2, padding=1, output_padding=1),
        torch.nn.Conv2d(5, 2, 1).requires_grad_(False),
    )
    x = torch.randn(2, 3, 16, 12)
    with (
        FlopCounterMode(display=False) as counter,
        convolutions.recorded_convolutions([layers]) as calls,
    ):
        layers(x).sum().backward()
    assert sum(n * call.flops for call, n in calls.items()) == counter.get_total_flops()
    call = next(iter(calls))
    assert not call.input_gradient and call.weight_gradient
    assert convolutions.floor_seconds(call, torch.float32, torch.device("cpu")) > 0


def test_reading_is_measured(tmp_path, capsys):
    words = "--pictures 3 --rounds 1 --seconds 0.05 --samples 8"
    data_loading.main([*words.split(), "--json", str(tmp_path / "f.json")])
    found = json.loads((tmp_path / "f.json").read_text())
    assert min(found["samples_per_second"].values()) > 0
    assert len(found["private_megabytes"]) == 4
    assert "of the bare loop" in capsys.readouterr().out


def test_what_options_cost_is_measured(capsys):
    words = "--size 32 --ngf 4 --n_blocks 1 --batch_size 1 --rounds 1 --gpu_ids -1"
    option_cost.main(["--paste 1", "--ema 100", *words.split()])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["options", "plain", "--paste", "--ema"]
    assert rows[1][-1] == "1.000" and float(rows[2][-1]) > 0


@pytest.mark.parametrize("module,flag", [(train_step, "--instances"), (data_loading, "--rounds")])
def test_mistakes_are_one_line(module, flag, capsys):
    with pytest.raises(SystemExit) as stop:
        module.main([flag, "0"])
    assert stop.value.code == 2
    one_line_error(capsys, f"{flag} 0")


def test_what_saving_costs_is_measured(tmp_path, capsys):
    words = "--size 32 --ngf 4 --n_blocks 1 --instances 2 --steps 1 --blocks 1 --saves 1"
    saving.main(f"{words} --gpu_ids -1 --folder {tmp_path}".split())
    out = capsys.readouterr().out
    assert "a save stops the step for" in out and "with one every ten minutes" in out
    assert [line.split()[0] for line in out.splitlines()[3:6]] == ["bare", "guarded", "saved"]


def test_dashboards_are_measured(capsys, monkeypatch):
    pytest.importorskip("visdom")
    monkeypatch.setattr(loggers, "BLOCK", 1)
    words = "--steps 1 --size 32 --ngf 4 --gpu_ids -1 --batch_size 1"
    loggers.main(words.split())
    assert "hanging" in capsys.readouterr().out


def test_what_styles_cost_is_measured(capsys):
    style_cost.main("--size 16 --ngf 2 --styles 1 3 --rounds 1 --gpu_ids -1".split())
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[0] for row in rows] == ["1", "3"] and all(float(row[1]) > 0 for row in rows)


def test_what_models_cost_is_measured(tmp_path, capsys):
    words = "--width 4 --rounds 1 --steps 1 --batch_size 2 --gpu_ids -1"
    typed = [*words.split(), "--only", "CycleGAN,MUNIT"]
    model_cost.main([*typed, "--json", str(tmp_path / "figures.json")])
    found = json.loads((tmp_path / "figures.json").read_text())
    assert list(found) == ["CycleGAN", "MUNIT"]
    for figures in found.values():
        assert min(figures[name] for name in ("step", "picture")) > 0
        assert figures["parameters"] > 1000
    assert "s/step" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        model_cost.main(["--only", "PixGAN"])
    one_line_error(capsys, "--only PixGAN", "CycleGAN")


def test_layers_of_few_channels_are_measured_in_ways_that_agree(capsys):
    x = torch.randn(2, 3, 12, 14, dtype=torch.float64)
    weight = torch.randn(5, 3, 7, 7, dtype=torch.float64)
    for way in edge_layers.WAYS.values():
        torch.testing.assert_close(way(x, weight), torch.nn.functional.conv2d(x, weight))
    words = "--size 8 --width 2 --batch_size 1 --rounds 1 --precision fp32 --gpu_ids -1"
    edge_layers.main(words.split())
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-16:]]
    assert [row[:3] for row in rows[::4]] == [[a, "to", b] for a, b in ("32", "42", "23", "21")]
    assert [row[3] for row in rows] == 4 * [*edge_layers.WAYS]
    assert rows[0][-1] == "1.00" and all(float(row[-1]) > 0 for row in rows)
    with pytest.raises(SystemExit):
        edge_layers.main(["--size", "9"])
    one_line_error(capsys, "--size 9", "even")


def test_ways_that_disagree_are_not_timed(monkeypatch):
    monkeypatch.setitem(edge_layers.WAYS, "eights", lambda *x: 2 * edge_layers.plain(*x))
    inputs = edge_layers.drawn(
        3, 2, edge_layers.parse(["--size", "8", "--batch_size", "1"]), torch.device("cpu")
    )
    with pytest.raises(RuntimeError, match="eights"):
        edge_layers.check(inputs)


def test_what_processes_exchange_is_told(capsys):
    """Half the bytes if they are compressed; less of it the more steps take."""
    words = "--size 24 --ngf 4 --instances 2 --rounds 1 --seconds 0.01 1 --inside 1 --between 0.1"
    scaling.main(["--compress_gradients", *words.split()])
    said = capsys.readouterr().out
    assert "two processes here" in said and "efficiency" in said
    shares = [float(share) for share in re.findall(r"([\d.]+)%", said)]
    assert len(shares) == 4 and shares[0] < shares[1] <= 100
    scaling.main([*words.split(), "--rounds", "0"])
    half, full = (float(text.split()[0]) for text in (said, capsys.readouterr().out))
    assert half == pytest.approx(full / 2, abs=0.1)
