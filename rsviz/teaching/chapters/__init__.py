"""The scenes of Learn from chapter 3 on; those of the first two are in `rsviz.teaching.lessons`."""
