"""A program: an Action Provider built with the published toolkit, in the toolkit's own environment.

Arguments: port, file of its memory (so that it may be ended and started again), scope. `body.way` says what an action
does; `GET /counts` gives how many actions were started for each request_id, and which were cancelled and released.
"""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, jsonify
from globus_action_provider_tools import ActionProviderDescription, ActionStatus, ActionStatusValue
from globus_action_provider_tools.flask import ActionProviderBlueprint
from globus_action_provider_tools.flask.exceptions import ActionConflict, ActionNotFound
from globus_action_provider_tools.flask.helpers import assign_json_provider

PORT, MEMORY, SCOPE = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
WAYS = ["sync", "async", "fail", "inactive", "stubborn", "slow"]
ENDED = ("SUCCEEDED", "FAILED")
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["way"],
    "properties": {"way": {"enum": WAYS}, "seconds": {"type": "number"}},
}
memory = json.loads(MEMORY.read_text()) if MEMORY.exists() else {"actions": {}, "requests": {}, "told": []}

blueprint = ActionProviderBlueprint(
    provider_description=ActionProviderDescription(
        globus_auth_scope=SCOPE,
        title="peer",
        admin_contact="admin@example.org",
        synchronous=False,
        input_schema=SCHEMA,
        log_supported=False,
        visible_to=["public"],
    ),
    name="peer",
    import_name=__name__,
    url_prefix="/peer",
)


def keep():
    part = MEMORY.with_suffix(".part")
    part.write_text(json.dumps(memory))
    part.replace(MEMORY)


def shown(kept):
    if kept["status"] == "ACTIVE" and time.time() >= kept["ends"]:
        kept["status"] = "FAILED" if kept["way"] == "fail" else "SUCCEEDED"
    over = kept["status"] in ENDED
    details = {"way": kept["way"]}
    if kept["status"] == "INACTIVE":
        details = {"code": "ConsentRequired", "description": "consent is missing", "required_scope": "urn:consent"}
    if kept["status"] == "FAILED":
        details = {"code": "Broken", "description": "failed on purpose"}
    return ActionStatus(
        action_id=kept["id"],
        status=ActionStatusValue[kept["status"]],
        creator_id=kept["creator"],
        start_time=kept["start"],
        completion_time=datetime.now(UTC).isoformat() if over else None,
        release_after="P30D",
        display_status=kept["status"],
        details=details,
    )


def found(action_id):
    if action_id not in memory["actions"]:
        raise ActionNotFound(f"no action {action_id}")
    return memory["actions"][action_id]


@blueprint.action_run
def run(request, auth):
    ids = memory["requests"].setdefault(request.request_id, [])
    if ids:
        return shown(found(ids[0])), 200
    way = request.body["way"]
    now = time.time()
    kept = {
        "id": uuid.uuid4().hex,
        "way": way,
        "creator": auth.effective_identity,
        "start": datetime.now(UTC).isoformat(),
        "ends": now + (0 if way == "sync" else request.body.get("seconds", 1)),
        "status": "INACTIVE" if way == "inactive" else "ACTIVE",
    }
    memory["actions"][kept["id"]] = kept
    ids.append(kept["id"])
    status = shown(kept)
    keep()
    if way == "slow":
        time.sleep(3)
    return status, 202


@blueprint.action_status
def status(action_id, auth):
    return shown(found(action_id)), 200


@blueprint.action_cancel
def cancel(action_id, auth):
    kept = found(action_id)
    memory["told"].append(["cancel", action_id])
    if kept["way"] != "stubborn" and kept["status"] not in ENDED:
        kept["status"] = "FAILED"
    keep()
    return shown(kept), 200


@blueprint.action_resume
def resume(action_id, auth):
    kept = found(action_id)
    memory["told"].append(["resume", action_id])
    if kept["status"] == "INACTIVE":
        kept.update(status="ACTIVE", ends=time.time() + 0.5)
    keep()
    return shown(kept), 200


@blueprint.action_release
def release(action_id, auth):
    last = shown(found(action_id))
    if last.status.name not in ENDED:
        raise ActionConflict("not finished")
    memory["told"].append(["release", action_id])
    del memory["actions"][action_id]
    keep()
    return last, 200


app = Flask(__name__)
assign_json_provider(app)
app.config.update(CLIENT_ID=str(uuid.uuid4()), CLIENT_SECRET="anything")
app.register_blueprint(blueprint)


@app.route("/counts")
def counts():
    return jsonify(
        requests={key: len(ids) for key, ids in memory["requests"].items()},
        told=memory["told"],
        actions={key: kept["status"] for key, kept in memory["actions"].items()},
    )


app.run("127.0.0.1", PORT, threaded=True)
