"""Gaussian: train on noisy images, vote on noisy images (Cohen, Rosenfeld & Kolter 2019, 1902.02918).

The base classifier f is trained with noise of standard deviation sigma added to its inputs. The
smoothed classifier is g(x) = argmax_c P(f(x + sigma e) = c), e ~ N(0, I). Whatever f is, if class c
has p_A > 1/2 at x then g(x + delta) = c for every ||delta||_2 < sigma PhiInv(p_A) (Theorem 1).

Shape suffixes: N images, C channels, H height, W width, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def loss(
    net: nn.Module,
    x_NCHW: Tensor,
    y_N: Tensor,
    sigma_N111: Tensor,
    generator: torch.Generator,
    step: int,
) -> Tensor:
    """Return the cross-entropy on one noisy copy of each image: CE(f(x + sigma e), y).

    Parameters
    ----------
    x_NCHW : images in [0, 1]; y_N their labels.
    sigma_N111 : the noise level of each image, in pixel units.
    generator : of the noise. step is not used by this loss.
    """
    noise_NCHW = torch.randn(x_NCHW.shape, generator=generator, device=x_NCHW.device)
    return cross_entropy(net(torch.addcmul(x_NCHW, sigma_N111, noise_NCHW)), y_N)
