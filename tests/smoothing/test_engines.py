"""Engines against the reference, and what happens where one cannot serve."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rsviz.certification import engine_choice
from rsviz.certification.engine_choice import default, keeps_radius
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import read_card
from rsviz.core.errors import UserError
from rsviz.data import datasets
from rsviz.data.images import image_id
from rsviz.smoothing import driver, engines, graphs
from rsviz.smoothing.engine import INT8, REFERENCE, Engine
from rsviz.smoothing.make_ready import ready
from rsviz.smoothing.noise import CHUNK, chunk
from rsviz.smoothing.voters import Ask, NoisyClassifier, Request

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "shapes-gaussian-0.5"


def needs(engine):
    why = engines.absent(engine, "cpu")
    return pytest.mark.skipif(why is not None, reason=str(why))


@pytest.fixture(scope="module")
def net():
    return weights.load(catalog.inspect(SHIPPED))


@pytest.fixture(scope="module")
def int8(net):
    file, sha256 = catalog.network_files(catalog.inspect(SHIPPED), "int8")["classifier"]
    return ready(net, INT8, "cpu", file, sha256)


@pytest.fixture(scope="module")
def noisy_NCHW():
    data = datasets.load("shapes", "test")
    x_NCHW = torch.stack([data.image(i) for i in range(CHUNK)])
    return torch.addcmul(x_NCHW, torch.tensor(0.5), chunk((3, 32, 32), "engines"))


@pytest.mark.slow
@needs(Engine("openvino", "float32"))
def test_float32_is_float32_whoever_computes_it(net, noisy_NCHW):
    other = ready(net, Engine("openvino", "float32"))
    with torch.inference_mode():
        assert (other(noisy_NCHW) - net(noisy_NCHW)).abs().max() < 1e-4
    assert engines.arithmetic({"classifier": other}).startswith("float32, openvino 20")


@pytest.mark.parametrize("library", ["torch", "openvino"])
@pytest.mark.slow
def test_bfloat16_is_near(net, noisy_NCHW, library):
    engine = Engine(library, "bfloat16")
    if (why := engines.absent(engine, "cpu")) is not None:
        pytest.skip(why)
    with torch.inference_mode():
        answer, exact = ready(net, engine)(noisy_NCHW), net(noisy_NCHW)
    assert answer.dtype == torch.float32
    assert 0 < (answer - exact).abs().max() < 0.5
    assert (answer.argmax(1) == exact.argmax(1)).float().mean() > 0.95


@needs(INT8)
def test_int8_answers_alike_in_every_call_thread_and_place(int8, noisy_NCHW):
    order_N = torch.randperm(CHUNK, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = int8(noisy_NCHW)
        assert torch.equal(int8(noisy_NCHW[order_N]), first[order_N])

    def again(_):
        with torch.inference_mode():
            return int8(noisy_NCHW)

    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(answer, first) for answer in pool.map(again, range(12)))


@needs(INT8)
def test_int8_votes_mostly_as_float32_does(int8, net, noisy_NCHW):
    with torch.inference_mode():
        same = int8(noisy_NCHW).argmax(1) == net(noisy_NCHW).argmax(1)
    assert same.float().mean() > 0.9
    assert int8.file in engines.arithmetic({"classifier": int8})
    assert engines.precision({"classifier": int8}) == "int8"


@needs(INT8)
def test_the_noise_added_on_the_way_in_is_the_noise(int8, net):
    x_1CHW = datasets.find_image("shapes/test/3")[0][None]
    e_NCHW, sigma_1111 = chunk((3, 32, 32), "way in"), torch.full((1, 1, 1, 1), 0.5)
    x_NCHW, sigma_N111 = x_1CHW.expand(CHUNK, -1, -1, -1), sigma_1111.expand(CHUNK, -1, -1, -1)
    for given in ((x_NCHW, sigma_N111), (x_NCHW.contiguous(), sigma_N111.contiguous())):
        with torch.inference_mode():
            answer = engines.noisy(int8, *given, e_NCHW)
            apart = int8(torch.addcmul(x_NCHW, sigma_N111, e_NCHW))
        # A sum rounded otherwise may fall into the next of 256 steps of the first layer.
        assert (answer.argmax(1) != apart.argmax(1)).sum() <= 1
        assert (answer - apart).abs().mean() < 0.01


@needs(INT8)
def test_rows_are_answered_as_pictures_are_and_put_in_order_as_bytes():
    checkpoint = catalog.find("cifar10-gaussian-0.5")  # which normalises each channel first
    graph = engine_choice.alone(checkpoint, INT8)["classifier"]
    x_NCHW = chunk((3, 32, 32), "rows").numpy()
    x_NHWC = np.ascontiguousarray(x_NCHW.transpose(0, 2, 3, 1))
    network, given = graph._source((x_NCHW,)), graphs.op.parameter(x_NHWC.shape)
    network.reshape({0: list(x_NCHW.shape)})
    for reader in network.inputs[0].get_target_inputs():
        order = graphs.op.constant(np.array([0, 3, 1, 2]))
        reader.replace_source_output(graphs.op.transpose(given, order).output(0))
    slower = graphs.openvino.Model(network.get_results(), [given], "pictures")
    slow = graphs.openvino.Core().compile_model(slower, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert (graph(x_NCHW) == slow(x_NHWC)[0]).all()
    (fast,) = graph._compiled.values()
    assert "f32" in put_in_order(slow)
    assert "f32" not in put_in_order(fast)


def put_in_order(compiled):
    """Return the types of the numbers that a graph moves about."""
    ops = compiled.get_runtime_model().get_ops()
    moving = [op for op in ops if op.get_rt_info()["layerType"].value in ("Transpose", "Reorder")]
    return {op.get_input_element_type(0).get_type_name() for op in moving}


class EachBySomeone(nn.Module):
    """Networks that begin with what may be done in rows, and with what may not."""

    def __init__(self, begin):
        super().__init__()
        self.begin, self.conv = begin, nn.Conv2d(3, 4, 3)

    def forward(self, x_NCHW):
        return self.conv(self.begin(x_NCHW)).flatten(1)


ONE_A_CHANNEL = torch.tensor([0.4, 0.5, 0.7]).reshape(1, 3, 1, 1)


@needs(Engine("openvino", "float32"))
@pytest.mark.parametrize(
    "begin",
    [
        lambda x: x,
        lambda x: (x - ONE_A_CHANNEL) / ONE_A_CHANNEL,
        lambda x: ONE_A_CHANNEL - 2 * x,  # the picture comes second
        lambda x: x - ONE_A_CHANNEL.reshape(3, 1, 1),
        lambda x: x * torch.linspace(0, 1, 8),  # one for each column
        lambda x: x * torch.linspace(0, 1, 6).reshape(1, 1, 6, 1),  # one for each row of pixels
        lambda x: x - x.mean((2, 3), keepdim=True),
        lambda x: x * x,
        lambda x: (x - 0.5) * (x - ONE_A_CHANNEL),
        lambda x: x.flip(1),
    ],
)
@pytest.mark.parametrize("rows", [1, 5])
def test_whatever_a_network_does_first_rows_are_answered_alike(begin, rows):
    torch.manual_seed(0)
    net = EachBySomeone(begin).eval()
    fast = ready(net, Engine("openvino", "float32"))
    x_NCHW, e_NCHW = torch.rand(rows, 3, 6, 8), torch.randn(rows, 3, 6, 8)
    sigma_N111 = torch.linspace(0.1, 1, rows).reshape(-1, 1, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(fast(x_NCHW), net(x_NCHW), atol=1e-5)
        noisy = torch.addcmul(x_NCHW, sigma_N111, e_NCHW)
        assert torch.allclose(fast.noisy(x_NCHW, sigma_N111, e_NCHW), net(noisy), atol=1e-5)
        one = fast.noisy(x_NCHW[:1].expand(rows, 3, 6, 8), sigma_N111, e_NCHW)
        same = torch.addcmul(x_NCHW[:1], sigma_N111, e_NCHW)
        assert torch.allclose(one, net(same), atol=1e-5)


class AskedForMore(nn.Module):
    """A network that takes one number more for each picture, as a selector takes lambda."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x_NCHW, lam_N):
        return self.conv(x_NCHW).flatten(1) * lam_N[:, None]


@needs(Engine("openvino", "float32"))
def test_numbers_beside_pictures_stay_as_they_are():
    net = AskedForMore().eval()
    fast = ready(net, Engine("openvino", "float32"))
    x_NCHW, lam_N = torch.rand(5, 3, 6, 8), torch.linspace(0, 1, 5)
    with torch.inference_mode():
        assert torch.allclose(fast(x_NCHW, lam_N), net(x_NCHW, lam_N), atol=1e-5)


@needs(INT8)
def test_gradients_are_those_of_the_float32_network(int8, net, noisy_NCHW):
    grads = []
    for each in (int8, net):
        x_NCHW = noisy_NCHW[:4].clone().requires_grad_(True)
        (grad,) = torch.autograd.grad(each(x_NCHW)[:, 0].sum(), x_NCHW)
        grads.append(grad)
    assert torch.equal(*grads)
    assert grads[0].abs().max() > 0


def request(net, key, n):
    x_CHW = datasets.find_image(f"shapes/test/{key}")[0]

    def method():
        votes = yield Ask("bound", NoisyClassifier(net), 1.5, n, 10)
        return votes.counts_K

    return Request(key, x_CHW, image_id(x_CHW), 0, method)


@needs(INT8)
def test_counts_are_the_same_cancelled_and_beside_other_images(int8):
    (*_, alone) = driver.drive([request(int8, 8, 650)])
    counts_K = alone.certificate
    assert sum(counts_K) == 650
    assert len([k for k in counts_K if k]) > 2
    beside = driver.drive([request(int8, k, 230 + k) for k in range(8)] + [request(int8, 8, 650)])
    assert {t.request.key: t.certificate for t in beside if t.finished}[8] == counts_K
    cancel, prefix = threading.Event(), None
    for task in driver.drive([request(int8, 8, 650)], cancel=cancel):
        prefix = task.votes["bound"].counts_K
        if sum(prefix) == 300:
            cancel.set()
    (*_, short) = driver.drive([request(int8, 8, 300)])
    assert prefix == short.certificate


def test_a_file_that_is_another_is_refused(net, tmp_path):
    file, sha256 = catalog.network_files(catalog.inspect(SHIPPED), "int8")["classifier"]
    altered = tmp_path / "int8.onnx"
    altered.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="sha256 differs"):
        engines.read_checked(altered, sha256)
    with pytest.raises(UserError, match="has no int8"):
        engines.read_checked(tmp_path / "int8-mask.onnx", sha256)


@pytest.fixture
def processor(monkeypatch):
    """Lets OpenVINO be absent, or its processor know less."""

    def know(capabilities):
        class Core:
            def get_property(self, *_):
                return capabilities

        monkeypatch.setattr(graphs, "_core", Core)
        if capabilities is None:
            monkeypatch.setattr(graphs, "openvino", None)
        engines.absent.cache_clear()

    yield know
    monkeypatch.undo()
    engines.absent.cache_clear()


@pytest.mark.parametrize(
    ("capabilities", "says"), [(None, "not installed"), (["FP32"], "does not compute int8")]
)
def test_an_engine_that_cannot_serve_says_why(processor, net, capabilities, says):
    processor(capabilities)
    assert INT8 not in engines.usable("cpu")
    assert engines.usable("cpu")[-1] == REFERENCE
    with pytest.raises(UserError, match=says):
        ready(net, INT8)


def test_without_its_instructions_a_processor_is_not_asked_for_bfloat16(processor, monkeypatch):
    """Torch would compute it all the same, five times as slowly as float32."""
    processor(None)
    monkeypatch.setattr(engines.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    card = read_card(SHIPPED.parent / "cifar10-gaussian-0.5")
    assert keeps_radius(card, "bfloat16")
    choice = default(catalog.inspect(SHIPPED.parent / "cifar10-gaussian-0.5"))
    assert choice.engine == REFERENCE and "not installed" in choice.why
    assert engines.usable("cpu") == (REFERENCE,)


def test_what_no_library_computes_is_refused():
    for engine in (Engine("torch", "int8"), Engine("tpu", "float32"), Engine("torch", "int4")):
        with pytest.raises(UserError, match="cannot be counted"):
            engines.check(engine, "cpu")


class Greedy(nn.Module):
    """Needs more memory than there is."""

    def forward(self, x_NCHW):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")


class Wrong(nn.Module):
    def forward(self, x_NCHW):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_a_batch_without_memory_is_a_sentence_and_no_count():
    with pytest.raises(UserError, match="not enough memory on cpu for 100 votes"):
        list(driver.drive([request(Greedy(), 0, 100)]))
    with pytest.raises(RuntimeError, match="shapes"):
        list(driver.drive([request(Wrong(), 0, 100)]))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gpu_answers_near_the_reference(net, noisy_NCHW, precision):
    on_gpu = ready(
        weights.load(catalog.inspect(SHIPPED), "cuda"), Engine("torch", precision), "cuda"
    )
    with torch.inference_mode():
        exact = net(noisy_NCHW)
        for _ in range(3):  # recorded, then replayed
            answer = on_gpu(noisy_NCHW.cuda()).cpu()
            assert (answer.argmax(1) == exact.argmax(1)).float().mean() > 0.95
        other = on_gpu(noisy_NCHW.flip(0).cuda()).cpu()
    assert (other.flip(0) - answer).abs().max() < 0.05


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_what_a_gpu_writes_before_a_network_is_the_noisy_image(net, noisy_NCHW, precision):
    on_gpu = ready(
        weights.load(catalog.inspect(SHIPPED), "cuda"), Engine("torch", precision), "cuda"
    )
    last = {"memory_format": torch.channels_last}
    x_NCHW = noisy_NCHW[:1].cuda().contiguous(**last).expand_as(noisy_NCHW)
    e_NCHW = torch.randn(noisy_NCHW.shape, device="cuda").contiguous(**last)
    sigma_N111 = torch.linspace(0, 1, len(x_NCHW), device="cuda").view(-1, 1, 1, 1)
    with torch.inference_mode():
        exact = net((x_NCHW + sigma_N111 * e_NCHW).cpu())
        answer = on_gpu.noisy(x_NCHW, sigma_N111, e_NCHW)
        assert torch.equal(answer, on_gpu.noisy(x_NCHW, sigma_N111, e_NCHW))
        one = x_NCHW[:1].expand_as(e_NCHW), sigma_N111[:1].expand(len(e_NCHW), 1, 1, 1)
        alike = on_gpu.noisy(*one, e_NCHW)
        assert torch.allclose(alike, on_gpu(x_NCHW), atol=0.1)  # the first level is 0
    assert (answer.cpu() - exact).abs().max() < 0.2
    assert (answer.cpu().argmax(1) == exact.argmax(1)).float().mean() > 0.95


WITHOUT_OPENVINO = """
import sys
sys.modules["openvino"] = None
from rsviz.cli.main import main
from rsviz.smoothing import engines
from rsviz.smoothing.engine import INT8
print(engines.absent(INT8, "cpu"))
sys.exit(main(sys.argv[1:]))
"""


def test_torch_counts_where_openvino_is_not_installed():
    words = ["certify", "shapes/test/3", "--checkpoint", SHIPPED.name, "--n", "200", "--json"]
    command = [sys.executable, "-c", WITHOUT_OPENVINO, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SHIPPED.parents[1])
    assert done.returncode == 0, done.stderr
    why, _, certificate = done.stdout.partition("\n")
    assert why == "the package openvino is not installed"
    assert "float32, eager, torch" in certificate
