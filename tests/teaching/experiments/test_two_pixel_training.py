import pytest
import torch

from rsviz.teaching.experiments import two_pixel_training


def test_the_smoothed_grid_is_that_of_votes():
    sigma = 0.12
    found = two_pixel_training.trained("Gaussian", sigma)
    net = two_pixel_training.train("Gaussian", sigma, 0)
    x_N2, y_N = two_pixel_training.images(0)
    generator = torch.Generator().manual_seed(5)
    for i in (0, 1, 7, 20):
        x_NC11 = torch.tensor(x_N2[i], dtype=torch.float32).view(1, 2, 1, 1)
        noise = torch.randn(20_000, 2, 1, 1, generator=generator)
        with torch.no_grad():
            share = float((net(x_NC11 + sigma * noise).argmax(1) == int(y_N[i])).double().mean())
        p = float(0.5 * (1 + torch.erf(torch.tensor(found.radius_N[i] / sigma / 2**0.5))))
        assert share == pytest.approx(p, abs=0.02)


def test_training_for_the_radius_lengthens_it_here():
    plain = two_pixel_training.trained("Gaussian", 0.12).average
    assert two_pixel_training.trained("MACER", 0.12).average > plain
    assert two_pixel_training.trained("AdvMacer", 0.12).average > plain


def test_a_training_repeats():
    assert torch.equal(
        two_pixel_training.train("SmoothAdv", 0.12, 1).layers[1].weight,
        two_pixel_training.train("SmoothAdv", 0.12, 1).layers[1].weight,
    )


@pytest.mark.parametrize("sigma", [0.08, 0.12, 0.2])
@pytest.mark.parametrize("method", ["MACER", "AdvMacer"])
def test_no_training_for_the_radius_collapses_to_one_class(method, sigma):
    assert two_pixel_training.trained(method, sigma).correct > 0.95
