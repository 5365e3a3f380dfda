"""Noise, voters, the one hot loop, gradients through noise; imports networks, data, core."""
