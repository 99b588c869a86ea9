"""A team's tests of its actions, which use each fixture of the plug-in."""

import json
import subprocess
import sys
from pathlib import Path

from taskaction.testing.targets import says


def action(name, executor, **parameters):
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "TaskAction",
        "metadata": {"name": name},
        "spec": {"executor": executor, "parameters": parameters},
    }


def test_the_team_s_own_executor_takes_hours_that_pass_at_once(taskactions):
    taskactions.apply(action("slow", "patient", hours=4))
    taskactions.advance("2h30m")
    assert taskactions.phase("slow") == "Running"
    assert taskactions.finish("slow").status.output == {"waited": 4}


def test_the_settings_are_the_team_s(taskactions):
    taskactions.run(action("short", "noop"))
    taskactions.advance("2h")
    assert taskactions.names() == []


def test_a_target_answers_as_it_is_told(taskactions, http_target):
    http_target.on("POST /backup", says("busy", 503), says({"size": 7}))
    backup = action("backup", "http", method="POST", url=f"{http_target.url}/backup")
    backup["spec"]["retryPolicy"] = {"limit": 1}
    done = taskactions.run(backup)
    assert (done.status.phase, done.status.attempt) == ("Succeeded", 2)
    assert len(http_target.asked("POST /backup")) == 2


def test_a_provider_s_actions_stand_as_they_are_told(taskactions, action_provider):
    taskactions.apply(action("move", "globus", url=action_provider.url, body={"from": "a"}))
    taskactions.until(lambda: taskactions.action("move").status.external_id is not None)
    action_provider.last.fail({"why": "full"})
    assert taskactions.finish("move").status.phase == "Failed"


def test_a_real_cluster_takes_the_manifests(taskaction_kubeconfig: Path):
    def taskaction(*words):
        command = [sys.executable, "-m", "taskaction", *words, f"--kubeconfig={taskaction_kubeconfig}"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    made = taskaction("run", "--executor=noop", "--no-wait", "--output=json")
    assert made.returncode == 0, made.stderr
    name = json.loads(made.stdout)["metadata"]["name"]
    refused = taskaction("run", "--executor=noop", "--priority=9999999", "--no-wait")
    assert "spec.priority" in refused.stderr
    found = taskaction("get", name, "--output=json")
    assert json.loads(found.stdout)["status"]["phase"] == "Queued"
