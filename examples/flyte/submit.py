"""Starts a run of a Flyte program through the Actions service, with nothing of Flyte's own backend.

    python submit.py --endpoint http://127.0.0.1:8094 --token-file token --base s3://bucket/runs/r1 --run r1 \
        program:main count=2

It stores the inputs, and enqueues the first action; run it where program, storage and service can be reached.
"""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClientSync
from flyteidl2.actions.actions_service_pb2 import Action, EnqueueRequest
from flyteidl2.common.identifier_pb2 import ActionIdentifier, RunIdentifier

import flyte.storage
from flyte._internal.runtime import convert
from flyte._internal.runtime.task_serde import translate_task_to_wire
from flyte.models import SerializationContext

ROOT = "a0"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="the Actions service")
    parser.add_argument("--token-file", type=Path, help="a file with a Kubernetes token")
    parser.add_argument("--base", required=True, help="the folder of the run, which pods can reach, too")
    parser.add_argument("--run", required=True, help="the run's name")
    parser.add_argument("--project", default="flyte")
    parser.add_argument("--domain", default="development")
    parser.add_argument("--org", default="default")
    parser.add_argument("--account", help="the ServiceAccount of all pods. Default: the namespace's default one")
    parser.add_argument("task", help="module:task, in this folder")
    parser.add_argument("inputs", nargs="*", help="name=value, for whole numbers and texts")
    return parser.parse_args()


def value(text: str) -> int | str:
    """Read an input."""
    return int(text) if text.lstrip("-").isdecimal() else text


async def main() -> None:
    """Enqueue the first action of a run."""
    said = arguments()
    module, _, name = said.task.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    task = getattr(importlib.import_module(module), name)
    context = SerializationContext(
        version="1", project=said.project, domain=said.domain, org=said.org, root_dir=Path.cwd()
    )
    given = {key: value(text) for key, _, text in (one.partition("=") for one in said.inputs)}
    inputs = await convert.convert_from_native_to_inputs(task.native_interface, **given)
    address = f"{said.base.rstrip('/')}/{ROOT}/inputs.pb"
    await flyte.storage.put_stream(inputs.proto_inputs.SerializeToString(), to_path=address)

    run = RunIdentifier(org=said.org, project=said.project, domain=said.domain, name=said.run)
    action = Action(
        action_id=ActionIdentifier(run=run, name=ROOT), input_uri=address, run_output_base=said.base.rstrip("/")
    )
    action.task.spec.CopyFrom(translate_task_to_wire(task, context))
    request = EnqueueRequest(action=action)
    if said.account:
        request.run_spec.security_context.run_as.k8s_service_account = said.account
    headers = {"authorization": f"Bearer {said.token_file.read_text().strip()}"} if said.token_file else {}
    try:
        ActionsServiceClientSync(said.endpoint).enqueue(request, headers=headers)
    except ConnectError as error:
        if error.code != Code.ALREADY_EXISTS:
            sys.exit(f"error: {error.code.value}: {error.message}")
    print(f"run {said.run} of {said.project}/{said.domain} is started: kubectl get ta -l flyte.org/run={said.run}")


asyncio.run(main())
