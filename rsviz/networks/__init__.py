"""What votes: classifiers, ensembles, masks, selectors; imports data, core."""
