from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import IllegalMove
from pipeline.core.job import ENDS, MOVES, UPS_STATE, Event, State, next_state

START = State.QUEUED


def reachable_from(state: State) -> set[State]:
    seen, todo = {state}, [state]
    while todo:
        here = todo.pop()
        new = {after for (before, _), after in MOVES.items() if before is here} - seen
        seen |= new
        todo += new
    return seen


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_no_sequence_of_events_leaves_the_table(events: list[Event]):
    state = START
    for event in events:
        if (state, event) in MOVES:
            state = next_state(state, event)
        else:
            with pytest.raises(IllegalMove) as refused:
                next_state(state, event)
            assert state.value in refused.value.message
            assert event.value in refused.value.message
        assert state in State


def test_every_state_can_be_reached_from_the_queue():
    assert reachable_from(START) == set(State)


def test_every_state_that_is_no_end_has_a_way_to_an_end_without_a_person():
    by_person = {Event.RETRY, Event.RESEND}
    for state in set(State) - ENDS - {State.FAILED}:
        ways = {after for (before, event), after in MOVES.items() if before is state and event not in by_person}
        assert ways - {state}, f"{state} is a trap"
        assert reachable_from(state) & ENDS


def test_a_failed_job_waits_for_a_person_and_is_not_lost():
    ways = {event: after for (before, event), after in MOVES.items() if before is State.FAILED}
    assert ways == {
        Event.RETRY: State.QUEUED,
        Event.RESEND: State.DELIVERING,
        Event.CANCEL: State.CANCELLED,
    }


@pytest.mark.parametrize("end", sorted(ENDS))
def test_only_a_person_gets_a_job_out_of_an_end(end: State):
    assert {event for (before, event) in MOVES if before is end} <= {Event.RETRY, Event.RESEND}


def test_results_exist_before_anything_is_delivered():
    into_delivering = {(before, event) for (before, event), after in MOVES.items() if after is State.DELIVERING}
    assert (State.QUEUED, Event.PRODUCE) not in into_delivering
    assert {b for b, _ in into_delivering} == {State.RUNNING, State.FAILED, State.DELIVERED}
    assert {before for (before, _), after in MOVES.items() if after is State.DELIVERED} == {State.DELIVERING}


def test_a_job_is_computed_only_after_a_worker_claimed_it():
    assert {pair for pair, after in MOVES.items() if after is State.RUNNING} == {(State.QUEUED, Event.CLAIM)}


def test_whatever_can_be_unfinished_can_be_cancelled():
    for state in set(State) - ENDS:
        assert next_state(state, Event.CANCEL) is State.CANCELLED


def test_every_event_moves_something_and_no_move_stands_still():
    assert {event for _, event in MOVES} == set(Event)
    assert all(before is not after for (before, _), after in MOVES.items())


def test_every_state_has_a_unified_procedure_step_state():
    assert set(UPS_STATE) == set(State)
    assert set(UPS_STATE.values()) == {"SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"}


@pytest.mark.parametrize(("state", "event"), [p for p in product(State, Event) if p not in MOVES])
def test_a_move_that_is_not_in_the_table_is_our_fault(state: State, event: Event):
    with pytest.raises(IllegalMove, match=f"a {state.value} job cannot {event.value}"):
        next_state(state, event)
