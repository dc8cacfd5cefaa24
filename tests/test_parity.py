"""Our arithmetic against recordings of the official code, where they are at hand."""

import pytest
import torch

from conftest import SHARED
from models.networks import fused
from models.networks.layers import Stage
from scripts import check_parity

FIXTURES = sorted((SHARED / "fixtures").glob("*.pt"))
pytestmark = pytest.mark.skipif(not FIXTURES, reason="no recordings here")


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_parity(path, capsys):
    with pytest.raises(SystemExit) as stop:
        check_parity.main([str(path)])
    assert stop.value.code == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_parity_of_fused_layers(path, capsys, monkeypatch):
    """By the definition of what kernels compute, in float64 as the recordings are."""
    calls = []

    def finish(*inputs, **after):
        calls.append(after)
        return fused.definition(*inputs, **after)

    def forward(stage, x, recompute=False, begin=0):
        return fused.run(list(stage)[begin:], x, finish=finish)

    monkeypatch.setattr(fused, "suits", lambda x: True)
    monkeypatch.setattr(Stage, "forward", forward)
    test_parity(path, capsys)
    assert {after["padding"] for after in calls} == {0, 1, 3}


def test_a_difference_is_found(tmp_path, capsys):
    fixture = torch.load(FIXTURES[0], weights_only=True)
    fixture["losses"] = fixture["losses"][:1]
    fixture["losses"][0][0]["cyc_A"] *= 1 + 1e-5
    torch.save(fixture, tmp_path / "x.pt")
    with pytest.raises(SystemExit) as stop:
        check_parity.main([str(tmp_path / "x.pt")])
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert out.count("TOO LARGE") == 1 and "first step" in out


def test_what_is_no_fixture_is_named(tmp_path, capsys):
    torch.save({"options": {}}, tmp_path / "x.pt")
    for name in ("x.pt", "missing.pt"):
        with pytest.raises(SystemExit) as stop:
            check_parity.main([str(tmp_path / name)])
        assert stop.value.code == 2 and name in capsys.readouterr().err
