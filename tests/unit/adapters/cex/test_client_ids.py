"""Client ids as exchanges take them: nothing is lost on the way, and nobody else's id is ours."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hedged.adapters.cex.client_ids import ClientIds
from hedged.config.cex import CexVenueConfig

TEMPLATES = ("{hex}", "0x{hex}", "t-{base32}", "{base32}", "a.{base32}_z")
OURS = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(client_id=OURS, template=st.sampled_from(TEMPLATES))
def test_an_id_comes_back_as_it_went(client_id: str, template: str) -> None:
    """If this fails, the daemon's own fill counts as one made by hand, and the hedge is written off."""
    ids = ClientIds(template)
    assert ids.ours(ids.theirs(client_id)) == client_id


@given(client_id=OURS)
def test_the_short_form_fits_the_narrowest_rule(client_id: str) -> None:
    """If this fails, Gate refuses orders, some or all: at most 28 characters that begin with t-."""
    assert re.fullmatch(r"t-[0-9a-z_.-]{26}", ClientIds("t-{base32}").theirs(client_id))


@given(told=st.one_of(st.none(), st.text(max_size=40), st.integers()), template=st.sampled_from(TEMPLATES))
def test_what_others_wrote_is_not_ours(told: object, template: str) -> None:
    """If this fails, an order made by hand is taken for one of the daemon's."""
    ids = ClientIds(template)
    found = ids.ours(told)
    assert found is None or ids.theirs(found) == told


@pytest.mark.parametrize(
    "written", ["web", "t-", "t-aaaaaaaaaaaaaaaaaaaaaaaaab", "x-" + "a" * 26, "a" * 26, "0" * 32]
)
def test_ids_of_another_form_are_not_ours(written: str) -> None:
    """If this fails, 26 letters of somebody else's, or an id whose last bits say nothing, read as ours."""
    assert ClientIds("t-{base32}").ours(written) is None


@pytest.mark.parametrize("written", ["t-", "{hex}{base32}", "t {hex}", "{id}", "{hex}{hex}"])
def test_a_form_that_tells_no_order_apart_is_refused(written: str) -> None:
    """If this fails, all orders go out under one client id."""
    with pytest.raises(ValidationError, match="client_id"):
        CexVenueConfig(client_id=written)
