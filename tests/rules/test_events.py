"""Every event can be read back from the journal."""

from consilium import events


def leaves(kind: type[events.Event]) -> set[type[events.Event]]:
    below = kind.__subclasses__()
    return set().union(*map(leaves, below)) if below else {kind}


def test_no_event_is_missing_in_the_table_the_journal_is_read_with():
    assert leaves(events.Event) == set(events.EVENTS.values())
