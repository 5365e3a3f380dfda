import copy

import pytest
import torch
from torch import nn

from rsviz.core.errors import UserError
from rsviz.networks import classifiers, masks


@pytest.mark.parametrize("half", [True, False])
def test_the_mask_network_makes_one_mask_a_row(half):
    torch.manual_seed(0)
    net = masks.build_mask("shapes-k48", 4, half).eval()
    m_NCHW = torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        w_N1HW = net(m_NCHW)
        assert w_N1HW.shape == (3, 1, 48, 48)
        assert w_N1HW.min() > 0
        assert w_N1HW.max() < 1
        assert torch.allclose(net(m_NCHW[1:2]), w_N1HW[1:2], atol=1e-6)
        folded = classifiers.fold(copy.deepcopy(net))
        assert torch.allclose(folded(m_NCHW), w_N1HW, atol=1e-5)
        assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
        with pytest.raises(UserError, match="divisible"):
            net(torch.rand(1, 3, 36, 36))


def test_unknown_data_sets_have_no_mask():
    with pytest.raises(UserError, match="shapes"):
        masks.build_mask("mnist")
