"""A training on Vertex AI: the specification of a custom job, as `gcloud ai custom-jobs create --config` takes it.

Held against the published schema by tests. A machine that is taken away is replaced, the job begins anew, and `train`
goes on from the newest whole checkpoint in the bucket.
"""

from __future__ import annotations

from copydesk.deployment.commented import Because, Manifest
from copydesk.deployment.containers import train_arguments, training_variables, variables
from copydesk.deployment.settings import Settings, Train


def vertex_job(settings: Settings) -> Manifest:
    """Return the job's specification."""
    train = settings.train
    assert train is not None  # `render` has seen to it
    pool = {
        "machineSpec": _machine(train),
        "replicaCount": "1",
        "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": train.disk_gb},
        "containerSpec": {
            "imageUri": settings.images.train,
            **_command(settings, train),
            "env": variables(settings, **training_variables(settings)),
        },
    }
    return {
        "serviceAccount": Because(
            train.service_account,
            "Needs storage.objectUser on the buckets of the recipe, the bundle and the checkpoints.",
        ),
        "scheduling": {
            "strategy": Because(
                "SPOT" if train.spot else "STANDARD",
                "A machine may be taken away: the job begins anew and goes on from the newest whole checkpoint."
                if train.spot
                else "A machine of its own until the end.",
            ),
            "restartJobOnWorkerRestart": Because(True, "All processes begin anew together: they train one model."),
            "timeout": Because(f"{train.hours * 3_600}s", "Counts from the start, with all that was begun anew."),
        },
        "workerPoolSpecs": [pool],
    }


def _machine(train: Train) -> Manifest:
    machine: Manifest = {"machineType": train.machine}
    if train.accelerator:
        machine |= {"acceleratorType": train.accelerator, "acceleratorCount": train.accelerators}
    return machine


def _command(settings: Settings, train: Train) -> Manifest:
    arguments = train_arguments(settings)
    if train.accelerator is None or train.accelerators == 1:
        return {"command": ["copydesk"], "args": arguments}
    return {
        "command": Because(
            ["torchrun"], "A process for each GPU; the result is the same, the order of additions apart."
        ),
        "args": ["--standalone", "--nproc-per-node", str(train.accelerators), "-m", "copydesk", *arguments],
    }
