"""Errors: the tree that callers rely on when they decide what to do."""

import inspect

import pytest

from hedged.domain import errors

TREE = {
    "HedgedError": Exception,
    "Retryable": errors.HedgedError,
    "Rejected": errors.HedgedError,
    "WouldTake": errors.Rejected,
    "OutcomeUnknown": errors.HedgedError,
    "NoJournal": errors.HedgedError,
    "Fatal": errors.HedgedError,
    "ConfigError": errors.Fatal,
    "DataError": errors.Fatal,
}


def test_the_tree_is_the_one_that_is_drawn():
    """A handler for one kind would catch another: an OutcomeUnknown that is also Retryable is an order sent twice."""
    found = {
        name: kind.__bases__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    }
    assert found == {name: (base,) for name, base in TREE.items()}


@pytest.mark.parametrize("name", TREE)
def test_the_docstring_names_every_error(name):
    """The picture in the module would be out of date, and it is what a reader goes by."""
    assert name in (errors.__doc__ or "")
