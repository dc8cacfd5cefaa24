"""Precisions, compiling, accumulated gradients, memory: how networks run changes no result."""

import functools
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import train
from conftest import double_model, one_line_error, random_scene, train_options
from models import create_model
from models.estimate import estimate, memory_line
from models.execution import Execution
from models.networks import build_generator
from models.networks.padding import ReflectionPad
from models.sequential import divide_batch
from util.memory import PeakBytes, enough_memory

CPU = torch.device("cpu")


def scenes(a: list[int], b: list[int], seed: int = 1) -> dict:
    """A batch in float32."""
    pair = {"A": random_scene(a, seed=seed), "B": random_scene(b, seed=seed + 50)}
    return {d: s.map(lambda t: t.float() if t.is_floating_point() else t) for d, s in pair.items()}


def trained(words: str, *batches: dict):
    """A model after a step on each of the batches."""
    torch.manual_seed(0)
    model = create_model(train_options(f"--ins_max 3 --ins_per 2 {words}"), CPU)
    for batch in batches:
        model.set_input(batch)
        model.optimize_parameters()
    return model


def largest_difference(one, other) -> float:
    pairs = zip(one.networks.values(), other.networks.values(), strict=True)
    return max(
        (a - b).abs().max().item()
        for x, y in pairs
        for a, b in zip(x.parameters(), y.parameters(), strict=True)
    )


# ---- accumulated gradients


@pytest.mark.parametrize("pieces", [2, 3, 4])
@pytest.mark.parametrize("pool", [0, 2])
def test_accumulated_parts_are_the_batch(pieces, pool):
    """Gradients, losses and the pool's content at fixed spectral norms; parts may be empty."""
    batch = {"A": random_scene([3, 0, 1, 2], seed=1), "B": random_scene([1, 3, 0, 0], seed=2)}
    whole, parts = (
        double_model(f"--lr 0 --lr_D 0 --init_gain 0.3 --batch_size 4 --pool_size {pool} {words}")
        for words in ("", f"--accumulate {pieces}")
    )
    for model in (whole, parts):
        for _ in range(2):
            model.set_input(batch)
            model.optimize_parameters()
    for name, loss in whole.losses.items():
        assert torch.allclose(loss, parts.losses[name], atol=1e-10), name
    for name, network in whole.networks.items():
        for (key, one), other in zip(
            network.named_parameters(), parts.networks[name].parameters(), strict=True
        ):
            assert (one.grad is None) == (other.grad is None), key
            assert one.grad is None or torch.allclose(one.grad, other.grad, atol=1e-10), key
    for name, pool in whole.pools.items():
        for one, other in zip(pool.items, parts.pools[name].items, strict=True):
            assert all(
                torch.allclose(a.double(), b.double()) for a, b in zip(one, other, strict=True)
            )


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
            model.set_input(batch)
            model.optimize_parameters()
        peaks.append(peak)
    assert peaks[1] < 0.4 * peaks[0]


def test_parts_of_a_batch_take_the_same_groups():
    batch = {"A": random_scene([4, 1, 0]), "B": random_scene([0, 0, 1])}
    present = {domain: scene.present for domain, scene in batch.items()}
    parts = divide_batch(batch, present, 2, ins_max=4, ins_per=2)
    assert [len(part.scenes["A"]) for part in parts] == [1, 2] and parts[0].divisor == 3
    first, second = ([dict(group.active) for group in part.groups] for part in parts)
    assert first == [{"A": [0], "B": []}, {"A": [0]}]
    assert second == [{"A": [0], "B": [1]}, {"A": []}]
    assert [part.annotated["B"] for part in parts] == [set(), {1}]


# ---- precisions and layouts


@pytest.mark.parametrize(
    "words,near",
    [("--precision bf16", 0.03), ("--precision fp16", 0.01), ("--channels_last", 1e-4)],
)
def test_other_precisions_and_layouts_train_alike(words, near):
    """The first losses are near those of float32, in which weights and gradients stay."""
    batch = scenes([2, 1], [2, 2])
    plain, other = (trained(f"--ins_max 2 {more}", batch) for more in ("", words))
    for name, loss in plain.get_current_losses().items():
        assert other.get_current_losses()[name] == pytest.approx(loss, rel=near, abs=near), name
    for network in other.networks.values():
        assert {w.dtype for w in network.parameters()} == {torch.float32}
        assert {w.grad.dtype for w in network.parameters()} == {torch.float32}
    assert 0 < largest_difference(plain, other) < 1e-3
    assert other.real["A"].image.dtype == torch.float32


def test_fp16_scales_the_loss_and_skips_a_step_that_overflows():
    model = trained("--precision fp16", scenes([2], [2]))
    before = {k: v.clone() for k, v in model.networks["G_A"].state_dict().items()}
    scale = model.scalers["G"].get_scale()
    assert scale > 1
    hot = scenes([2], [2])
    hot["A"].image[0, 0, 0, 0] = float("inf")
    model.set_input(hot)
    model.optimize_parameters()
    assert all(
        torch.equal(value, before[k]) for k, value in model.networks["G_A"].state_dict().items()
    )
    assert model.scalers["G"].get_scale() == scale / 2
    again = trained("--precision fp16")
    again.load_state_dict(model.state_dict())
    assert again.scalers["G"].get_scale() == scale / 2
    trained("").load_state_dict(model.state_dict())  # in another precision it has no use for them
    again.load_state_dict(trained("").state_dict())


def test_autocast_reaches_the_threads_of_data_parallel():
    """It is entered inside of what DataParallel copies: a thread does not inherit it."""
    network = build_generator("set", width=4, n_blocks=1)
    seen = []
    network.encoder_img[1].register_forward_hook(lambda *x: seen.append(x[2].dtype))
    scene = scenes([1], [1])["A"]
    execution = Execution(network, "bf16", torch.contiguous_format)
    with ThreadPoolExecutor() as threads:
        image, _ = threads.submit(execution, scene.image, scene.masks, scene.present).result()
    assert seen == [torch.bfloat16] and image.dtype == torch.float32


@pytest.mark.parametrize("width,shape", [(1, (2, 3, 5, 6)), (3, (1, 2, 8, 9)), (3, (1, 1, 4, 4))])
def test_padding_is_pytorchs_and_stays_in_its_precision(width, shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    ours, theirs = ReflectionPad(width)(x), torch.nn.ReflectionPad2d(width)(x)
    assert torch.equal(ours, theirs)
    upstream = torch.randn_like(ours)
    gradients = [torch.autograd.grad(y, x, upstream)[0] for y in (ours, theirs)]
    assert torch.allclose(*gradients, atol=1e-12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ReflectionPad(width)(x.bfloat16()).dtype == torch.bfloat16


# ---- compiling


class Counted:
    """A backend of torch.compile that counts what it is given, and computes it as it is."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, inputs):
        self.count += 1
        return graph.forward


def test_each_shape_is_compiled_once(monkeypatch):
    """At most one compilation per group size and batch size that a generator has met."""
    torch._dynamo.reset()
    backend = Counted()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    met = set()
    monkeypatch.setattr(
        Execution,
        "forward",
        noting(
            Execution.forward,
            lambda run, image, masks, present: run.compiled and met.add(masks.shape[:2]),
        ),
    )
    batches = [scenes([3, 1], [2, 3], seed) for seed in (1, 2, 3)]
    compiled = trained("--compile", *batches)
    assert 0 < backend.count <= len(met) == 4
    once = backend.count
    compiled.set_input(scenes([3, 1], [2, 3], seed=4))
    compiled.optimize_parameters()
    assert backend.count == once
    compiled.set_input(scenes([2], [2]))
    compiled.optimize_parameters()
    assert once < backend.count <= len(met)
    plain = trained("", *batches)
    assert largest_difference(trained("--compile", *batches), plain) < 3e-3


def noting(function, note):
    def call(self, *tensors):
        note(self, *tensors)
        return function(self, *tensors)

    return call


def test_what_cannot_be_compiled_runs_without(monkeypatch, capsys):
    torch._dynamo.reset()

    def broken(graph, inputs):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=broken))
    batch = scenes([2], [2])
    tried, plain = trained("--compile", batch), trained("", batch)
    assert largest_difference(tried, plain) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "--compile" in line]
    assert len(notes) == 1 and "no compiler here" in notes[0]


# ---- memory


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
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
        MemoryError(),
    ],
)
def test_out_of_memory_is_one_line_with_flags(error, run, monkeypatch, capsys):
    def explode(*_):
        raise error

    monkeypatch.setattr("models.base_model.BaseModel.minimize", explode)
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--niter 1 --niter_decay 0")
    assert stop.value.code == 2
    one_line_error(capsys, "out of memory", "--batch_size", "--ins_per", "--accumulate")


def test_other_errors_are_not_called_lack_of_memory():
    with pytest.raises(RuntimeError, match="sizes"), enough_memory("buy more"):
        raise RuntimeError("sizes do not match")


# ---- mistakes


@pytest.mark.parametrize(
    "words,said",
    [
        ("--accumulate 4 --batch_size 2", "--accumulate 4"),
        ("--accumulate 0", "--accumulate 0"),
        ("--precision tf32", "--precision tf32"),
        ("--dist_timeout 0", "--dist_timeout 0"),
    ],
)
def test_mistakes_are_one_line(words, said, run, capsys):
    with pytest.raises(SystemExit) as stop:
        run(train.main, words)
    assert stop.value.code == 2
    one_line_error(capsys, said)
