"""The pictures of Learn: the values of a scene's controls in, a figure and what it shows out."""
