"""The states that ask people become approvals."""

import pytest

from support.flow_runs import END, FlowRun, action, failed, program, run, succeeded
from taskaction.flows.effects import ActionEnded, StartAction

ASKING = {
    "Ask": {
        "Type": "CreateWebInput",
        "Parameters": {
            "InputType": "Selection",
            "Context": {"Title.=": "'Publish ' + name", "Rows": [{"Field": "Size", "Value.$": "$.size"}]},
            "Options": [{"Value": "yes", "Label": "Publish"}, {"Value": "no"}],
            "RespondentUrns": ["urn:globus:groups:id:1"],
        },
        "ResultPath": "$.asked",
        "Next": "Meanwhile",
    },
    "Meanwhile": action(ResultPath=None, Next="Wait"),
    "Wait": {
        "Type": "AwaitWebInput",
        "Parameters": {"web_input_id.$": "$.asked.web_input_id"},
        "ResultPath": "$.answer",
        "Catch": [{"ErrorEquals": ["Flows.WebInputExpired"], "Next": "Late", "ResultPath": "$.why"}],
        **END,
    },
    "Late": {"Type": "Pass", **END},
}


def test_a_web_input_is_an_approval_that_asks_for_one_of_the_options() -> None:
    def ends(effect: StartAction) -> ActionEnded:
        return succeeded(effect, {"value": "yes", "by": "ann"} if effect.state_name == "Wait" else {})

    flow = FlowRun(program(ASKING), ends, forgets=True)
    output = flow.run({"name": "it", "size": 3}).output
    asked = flow.started[-1]
    assert asked.url == "taskaction://executor/approval"
    assert asked.body == {
        "prompt": "Publish it\nSize: 3\n- yes Publish\n- no",
        "type": "string",
        "schema": {"enum": ["yes", "no"]},
    }
    assert output["asked"]["web_input_id"] == "1"
    assert output["answer"]["response"] == "yes"


def test_a_web_input_that_nobody_answers_can_be_caught_by_its_name() -> None:
    def ends(effect: StartAction) -> ActionEnded:
        late = {"code": "ApprovalTimeout", "description": "nobody answered"}
        return failed(effect, late) if effect.state_name == "Wait" else succeeded(effect)

    output = FlowRun(program(ASKING), ends, forgets=True).run({"name": "it", "size": 3}).output
    assert output["why"]["Error"] == "Flows.WebInputExpired"


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ({"A": {"Type": "AwaitWebInput", "Parameters": {"web_input_id": "9"}, **END}}, "no web input '9'"),
        ({"A": {"Type": "CreateWebInput", "Parameters": {"InputType": "Text", "Options": []}, **END}}, "Selection"),
    ],
)
def test_what_cannot_be_asked_is_not_started(states, why) -> None:
    failure = run(states)
    assert failure.error == "ActionUnableToRun"
    assert why in failure.cause


def test_a_web_input_also_takes_what_an_approval_takes() -> None:
    states = {"A": {"Type": "AwaitWebInput", "Parameters": {"prompt": "well?", "type": "boolean"}, **END}}
    flow = FlowRun(program(states), lambda effect: succeeded(effect, {"value": True}))
    assert flow.run().output["response"] is True
    assert flow.started[0].body == {"prompt": "well?", "type": "boolean"}
