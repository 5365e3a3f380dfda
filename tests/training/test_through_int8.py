"""A network learns to answer, rounded to int8, as it does in float32."""

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.networks import int8_files
from rsviz.networks.classifiers import build, fold
from rsviz.training import through_int8


@pytest.fixture(scope="module")
def net():
    """Return an untrained compact net whose answers differ, and whose channels are unlike."""
    torch.manual_seed(0)
    made = build("compact", "cifar10", width=8).train()
    with torch.no_grad():
        for batch in batches(20):
            made(*batch)  # batch norms learn what they see
        for m in made.modules():
            if isinstance(m, nn.Linear):
                m.weight *= 20
    return fold(made.eval()).requires_grad_(False)


def batches(count, rows=32):
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(rows, 3, 16, 16, generator=generator),) for _ in range(count)]


def test_weights_are_rounded_to_a_64th_of_a_channels_largest_and_gradients_pass():
    w = torch.tensor([[1.0, -0.5, 0.3], [100.0, 0.4, 30.2]], requires_grad=True)
    rounded = through_int8.RoundedWeights()(w)
    steps = rounded.detach() / torch.tensor([[1.0], [100.0]]) * 64
    assert torch.allclose(steps, steps.round(), atol=1e-5)
    assert (rounded - w).abs().amax(1).tolist() <= [1 / 128 + 1e-6, 100 / 128 + 1e-4]
    rounded.sum().backward()
    assert torch.equal(w.grad, torch.ones_like(w))


def test_what_a_layer_reads_is_rounded_to_255_steps_of_its_range():
    layer = nn.Linear(1, 1)
    low, high = -0.7, 2.3
    x_N1 = torch.linspace(low, high, 2000)[:, None]
    step = torch.tensor((high - low) / 255)
    (found_N1,) = through_int8._round(step, layer, (x_N1,))
    assert len(found_N1.unique()) in (255, 256, 257)  # zero is a step
    assert (found_N1 - x_N1).abs().max() <= step / 2 + 1e-6


def test_the_file_of_a_tuned_network_answers_more_like_the_network(net):
    onnxruntime = pytest.importorskip("onnxruntime")
    seen, held = batches(8), batches(16)[8:]

    def divergence(made):
        session = onnxruntime.InferenceSession(int8_files.quantized(made, seen))
        total = 0.0
        for (x_NCHW,) in held:
            wanted = torch.log_softmax(net(x_NCHW), 1)
            answers = session.run(None, {"input0": x_NCHW.numpy()})[0]
            found = torch.log_softmax(torch.tensor(answers), 1)
            total += float((wanted.exp() * (wanted - found)).sum())
        return total

    before = {name: p.clone() for name, p in net.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    tuned = through_int8.tuned(net, batches(80), generator, lambda _: None, lr=1e-5)
    assert divergence(tuned) < 0.9 * divergence(net)
    assert all(torch.equal(before[name], p) for name, p in net.state_dict().items())
    assert tuned.state_dict().keys() == before.keys()  # plain weights, as of any network
    assert not any(p.requires_grad for p in tuned.parameters())


def test_the_same_seed_tunes_alike(net):
    def once():
        generator = torch.Generator().manual_seed(0)
        return through_int8.tuned(net, batches(5), generator, lambda _: None)

    first, again = once(), once()
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(a, b)
