"""A run in the words of an address, and back."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsviz.core.errors import UserError
from rsviz.core.spec import N_MAX, QUERY, SIGMA_MAX, Bound, RunSpec

NAMES = st.text(min_size=1, max_size=40)
COUNTS = st.integers(1, N_MAX)
OTHER = RunSpec("shapes/test/3", "shapes-gaussian-0.5", 0.5, flags=("resampled",))


def inside(low, high):
    return st.floats(low, high, exclude_min=True, exclude_max=True)


SPECS = st.builds(
    RunSpec,
    image=NAMES,
    checkpoint=NAMES,
    sigma=inside(0.0, SIGMA_MAX),
    n0=COUNTS,
    n=COUNTS,
    alpha=inside(0.0, 0.5),
    bound=st.sampled_from(Bound),
    seed=st.integers(0, 2**31 - 1),
    flags=st.just(OTHER.flags),
)


@settings(derandomize=True, deadline=None)
@given(spec=SPECS)
def test_an_address_gives_back_the_run_it_was_written_of(spec):
    query = spec.to_query()
    assert set(query) <= set(QUERY) and all(isinstance(said, str) for said in query.values())
    assert OTHER.from_query(query) == spec


@settings(derandomize=True, deadline=None)
@given(spec=SPECS, name=st.sampled_from(list(QUERY)))
def test_a_part_of_an_address_changes_that_part_alone(spec, name):
    part = {name: spec.to_query()[name], "tour": "2"}
    assert OTHER.from_query(part) == replace(OTHER, **{name: getattr(spec, name)})


def test_a_sigma_that_the_method_chooses_is_in_no_link():
    spec = replace(OTHER, sigma=None)
    assert "sigma" not in spec.to_query() and spec.from_query(spec.to_query()) == spec


def test_a_picture_without_a_name_is_in_no_link():
    spec = replace(OTHER, image="sha256:" + "0" * 64)
    assert "image" not in spec.to_query()
    assert spec.from_query(spec.to_query()) == spec


BAD = {"sigma": "loud", "n": "1.5", "alpha": "0.7", "bound": "tight", "seed": "-1", "n0": "0"}


@pytest.mark.parametrize("name", BAD)
def test_a_value_that_cannot_be_is_refused_by_its_name(name):
    with pytest.raises(UserError, match=name):
        OTHER.from_query({name: BAD[name]})
