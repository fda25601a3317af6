"""Every event can be read back from the journal."""

from consilium import events

STREAMS = {
    events.Event,
    events.CaseEvent,
    events.ConsiliumEvent,
    events.ProtocolEvent,
    events.DirectoryEvent,
}


def test_no_event_is_missing_in_the_table_the_journal_is_read_with():
    made = {
        one
        for one in vars(events).values()
        if isinstance(one, type) and issubclass(one, events.Event) and one not in STREAMS
    }
    assert made == set(events.EVENTS.values())
