"""The one loop, one file for each way to train, recipes; imports evaluation and below."""
