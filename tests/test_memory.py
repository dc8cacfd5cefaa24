"""Memory: estimated, flat in the number of instances, released part by part; too little is one line."""

import re
import weakref

import pytest
import torch
from test_execution import scenes, trained

import train
from conftest import TINY, one_line_error, tiny_options, train_options
from data import create_dataset
from data.base_dataset import Draw
from models import names
from models.estimate import estimate, memory_line
from options.train_options import TrainOptions
from util.memory import PeakBytes, enough_memory


def test_a_part_is_released_before_the_next_is_computed():
    """What autograd keeps at a time in four parts is a quarter of what it keeps of the batch."""
    batch = scenes([2] * 4, [2] * 4)
    peaks = []
    for words in ("", "--accumulate 4"):
        kept: dict[int, int] = {}
        model = trained(f"--batch_size 4 --pool_size 0 {words}", batch)
        peak = 0

        def keep(tensor: torch.Tensor, kept=kept) -> torch.Tensor:
            nonlocal peak
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in kept:
                kept[storage.data_ptr()] = storage.nbytes()
                weakref.finalize(storage, kept.pop, storage.data_ptr(), None)
                peak = max(peak, sum(kept.values()))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model.step(batch)
        peaks.append(peak)
    assert peaks[1] < 0.4 * peaks[0]


def test_bytes_are_counted_while_tensors_live():
    with PeakBytes() as made:
        a = torch.empty(1000, device="meta")
        b = (a + 1).view(10, 100)
        assert made.now == 8000
        del b
        assert made.now == 4000
    assert made.peak == 8000


def test_memory_is_flat_in_instances_and_grows_with_everything_else():
    sample = {domain: scene.select([0]) for domain, scene in scenes([2], [2]).items()}

    def step(words: str = "") -> float:
        return estimate(train_options(f"--ngf 8 {words}"), sample)[0]

    assert step("--ins_max 32") == step("--ins_max 4")
    assert step("--ins_per 4") > 1.4 * step()
    assert step("--batch_size 4") > 2 * step()
    assert step("--precision bf16") < step()
    assert step("--checkpoint_activations --n_blocks 9") < 0.7 * step("--n_blocks 9")
    pools = estimate(train_options("--pool_size 10 --ins_max 5"), sample)[1]
    assert pools == 2 * 10 * 4 * (3 + 5) * 32 * 32
    assert memory_line(train_options(), sample).startswith("memory: about ")


def test_training_says_at_its_start_what_it_will_take(shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train.main(["--dataroot", str(shapes), *TINY, "--dry_run"])
    assert re.search(
        r"memory: about \d+ MB at the peak of a step, and \d+ MB", capsys.readouterr().out
    )


def test_the_walk_leaves_no_trace():
    before = torch.get_rng_state()
    sample = {domain: scene.select([0]) for domain, scene in scenes([2], [2]).items()}
    estimate(train_options("--precision bf16"), sample)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
        MemoryError(),
    ],
)
def test_out_of_memory_is_one_line_with_flags(error, run, monkeypatch, capsys):
    def explode(*_):
        raise error

    monkeypatch.setattr("models.base_model.BaseModel.update", explode)
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--niter 1 --niter_decay 0")
    assert stop.value.code == 2
    one_line_error(capsys, "out of memory", "--batch_size", "--ins_per", "--accumulate")


def test_other_errors_are_not_called_lack_of_memory():
    with pytest.raises(RuntimeError, match="sizes"), enough_memory("buy more"):
        raise RuntimeError("sizes do not match")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_recipe_is_estimated(precision):
    """Pasting and augmentation can be walked through; averages are one more copy of G."""
    words = f"--precision {precision} --paste 1 --diffaug color,translation,cutout"
    sample = scenes([1], [1])
    plain, _ = estimate(train_options(words), sample)
    averaged, _ = estimate(train_options(f"{words} --ema 100 --paste_on fill"), sample)
    assert plain < averaged < 1.5 * plain


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("model", names())
def test_a_step_of_every_model_is_estimated(shapes, model, precision):
    """In half precision as well, where not every operation is there on a CPU."""
    words = f"--dataroot {shapes} --model {model} --precision {precision}"
    opt = TrainOptions().parse([*tiny_options(words), *words.split()])
    dataset = create_dataset(opt)
    assert estimate(opt, dataset[Draw(0, 0, 0)])[0] > 0
