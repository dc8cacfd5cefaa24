"""Precisions, compiling, accumulated gradients: how networks run changes no result."""

import functools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import train
from conftest import double_model, one_line_error, random_scene, train_options
from models import create_model
from models.networks import build_generator
from models.networks.layers import InstanceNorm2d, ReflectionPad
from training.execution import Execution
from training.parts import parts_of

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
        model.step(batch)
    return model


def gradient_difference(one, other) -> float:
    """Of the last step's gradients, relative to their length; another batch gives about 1."""
    distance = length = 0.0
    for x, y in zip(one.networks.values(), other.networks.values(), strict=True):
        for a, b in zip(x.parameters(), y.parameters(), strict=True):
            if a.grad is None and b.grad is None and a.dim() == 1:
                continue  # a bias that a norm takes away
            here, there = a.grad, b.grad
            distance += (here - there).square().sum().item()
            length += here.square().sum().item()
    return (distance / length) ** 0.5


# ---- accumulated gradients


@pytest.mark.parametrize("pieces", [2, 3, 4])
@pytest.mark.parametrize("pool,paste", [(0, "--paste 1"), (2, "--paste 0 --paste_on fill")])
def test_accumulated_parts_are_the_batch(pieces, pool, paste):
    """Gradients, losses and the pool's content at fixed spectral norms; parts may be empty."""
    batch = {"A": random_scene([3, 0, 1, 2], seed=1), "B": random_scene([1, 3, 0, 0], seed=2)}
    fixed = f"--lr 0 --lr_D 0 --init_gain 0.3 --batch_size 4 {paste} --pool_size {pool}"
    whole, parts = (double_model(f"{fixed} {words}") for words in ("", f"--accumulate {pieces}"))
    for model in (whole, parts):
        for _ in range(2):
            model.step(batch)
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


def test_parts_advance_spectral_norms_as_often_as_the_batch():
    """With discriminators in training, whose vectors every forward pass advances."""
    batch = {"A": random_scene([3, 1], seed=1), "B": random_scene([1, 3], seed=2)}
    words = "--batch_size 2 --init_gain 0.3 --pool_size 0 --ins_max 3 --ins_per 2"
    whole, parts = (double_model(f"{words} {more}") for more in ("", "--accumulate 2"))
    for model in (whole, parts):
        for name in ("D_A", "D_B"):
            model.networks[name].train()
        for _ in range(3):
            model.step(batch)
    for name, loss in whole.losses.items():
        assert torch.allclose(loss, parts.losses[name], atol=1e-9), name
    for name, network in whole.networks.items():
        for key, value in network.state_dict().items():
            assert torch.allclose(value, parts.networks[name].state_dict()[key], atol=1e-9), key


def test_every_input_is_divided_by_its_own_samples():
    """Of a group one domain may have fewer; plain values belong to all; no part is empty."""
    drawn = {"A": random_scene([4, 1, 2]), "B": random_scene([2])}
    numbers = torch.arange(3)
    first, second = parts_of((drawn, [numbers], 0, 2), 2, {})
    assert [len(drawn["A"]) for drawn, *_ in (first, second)] == [1, 2]
    assert [len(drawn["B"]) for drawn, *_ in (first, second)] == [0, 1]
    assert torch.equal(second[0]["A"].image, drawn["A"].image[1:])
    assert second[1][0].tolist() == [1, 2] and second[2:] == (0, 2)
    assert [len(part[0]["B"]) for part in parts_of(({"B": drawn["B"]},), 3, {})] == [1]
    (nothing,) = parts_of(({"B": drawn["B"].select([])},), 3, {})
    assert len(nothing[0]["B"]) == 0


# ---- precisions and layouts


@pytest.mark.parametrize(
    "words,near,gradients",
    [
        ("--precision bf16", 0.1, 0.5),
        ("--precision fp16", 0.02, None),  # they are still scaled
        ("--channels_last", 1e-4, 1e-3),
    ],
)
def test_other_precisions_and_layouts_train_alike(words, near, gradients):
    """The first losses and gradients are near those of float32, in which they stay."""
    batch = scenes([2, 1], [2, 2])
    plain, other = (trained(f"--ins_max 2 {more}", batch) for more in ("", words))
    for name, loss in plain.get_current_losses().items():
        assert other.get_current_losses()[name] == pytest.approx(loss, rel=near), name
    for network in other.networks.values():
        assert {w.dtype for w in network.parameters()} == {torch.float32}
        found = {w.grad.dtype for w in network.parameters() if w.grad is not None}
        assert found == {torch.float32}
    assert other.translate(batch["A"], "A").fakes[0].image.dtype == torch.float32
    if gradients:
        assert 0 < gradient_difference(plain, other) < gradients
        assert gradient_difference(plain, trained("--ins_max 2", scenes([2, 1], [2, 2], 3))) > 0.9


@pytest.mark.parametrize("words", ["--channels_last", "--precision bf16 --channels_last"])
def test_one_picture_alone_has_the_same_gradients_in_either_layout(words):
    """PyTorch's instance norm has wrong ones of a single picture with channels innermost."""
    batch, one = scenes([1], [1]), "--ins_max 1 --ins_per 1 --batch_size 1"
    layout = "--channels_last"
    plain, other = (trained(f"{one} {w}", batch) for w in (words.replace(layout, ""), words))
    assert 0 < gradient_difference(plain, other) < (0.1 if "bf16" in words else 1e-3)


@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_reads_gradients_in_any_layout(pictures, layout):
    x = torch.randn(pictures, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(x.shape, dtype=torch.float64)
    centred = x - x.mean((2, 3), keepdim=True)
    wanted = centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    own, exact = (
        torch.autograd.grad(y, x, g)[0]
        for y, g in (
            (InstanceNorm2d(3)(x), upstream.contiguous(memory_format=layout)),
            (wanted, upstream),
        )
    )
    assert torch.allclose(own, exact, atol=1e-12)


def test_fp16_scales_the_loss_and_skips_a_step_that_overflows():
    model = trained("--precision fp16", scenes([2], [2]))
    before = {k: v.clone() for k, v in model.networks["G_A"].state_dict().items()}
    scale = model.scalers["G"].get_scale()
    assert scale > 1
    hot = scenes([2], [2])
    hot["A"].image[0, 0, 0, 0] = float("inf")
    model.step(hot)
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
    note = lambda run, image, masks, *_: run.compiled and met.add(masks.shape[:2])  # noqa: E731
    monkeypatch.setattr(Execution, "forward", noting(Execution.forward, note))
    compiled = trained("--compile", *(scenes([3, 1], [2, 3], seed) for seed in (1, 2, 3)))
    assert 0 < backend.count <= len(met) == 4
    once = backend.count
    compiled.step(scenes([3, 1], [2, 3], seed=4))
    compiled.translate(scenes([3], [2])["A"], "A")
    assert backend.count == once
    compiled.step(scenes([2], [2]))
    assert once < backend.count <= len(met)


def test_what_is_compiled_computes_the_same(monkeypatch):
    torch._dynamo.reset()
    backend = Counted()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    batch = scenes([2, 1], [2, 2])
    compiled, plain = (trained(f"--ins_max 2 {words}", batch) for words in ("--compile", ""))
    assert backend.count and gradient_difference(plain, compiled) < 1e-4


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
    tried, plain = (trained(f"--ins_max 2 {words}", batch) for words in ("--compile", ""))
    assert gradient_difference(tried, plain) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "--compile" in line]
    assert len(notes) == 1 and "no compiler here" in notes[0]


# ---- mistakes


@pytest.mark.parametrize(
    "words,said",
    [
        ("--accumulate 4 --batch_size 2", "--accumulate 4"),
        ("--accumulate 0", "--accumulate 0"),
        ("--precision tf32", "--precision tf32"),
        ("--dist_timeout 0", "--dist_timeout 0"),
        ("--norm batch --batch_size 2 --accumulate 2", "--accumulate 2"),
    ],
)
def test_mistakes_are_one_line(words, said, run, capsys):
    with pytest.raises(SystemExit) as stop:
        run(train.main, words)
    assert stop.value.code == 2
    one_line_error(capsys, said)
