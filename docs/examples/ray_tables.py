"""Five Ray tasks write one table together: each upserts its part, and the last step finishes the version.

Start a daemon with `artifactd serve`, `pip install ray`, then run this file. With tasks on several machines, each
has a daemon of its own, and all daemons share a store and a catalog.
"""

from __future__ import annotations

import secrets

import ray

import artifactd.client as wandb

ARTIFACT, TASKS, ROWS = "squares", 5, 100


@ray.remote
def square(task: int, group: str) -> None:
    """One task: a run, a table and an artifact of its own. Nothing but numbers and names crosses processes."""
    with wandb.init(job_type="square", group=group) as run:
        table = wandb.Table(columns=["task", "number", "square"])
        for number in range(ROWS):
            table.add_data(task, number, number * number)
        part = wandb.Artifact(ARTIFACT, type="result")
        part.add(table, f"parts/{task}")
        run.upsert_artifact(part)


def main() -> None:
    group = f"squares-{secrets.token_hex(4)}"
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        ray.get([square.remote(task, group) for task in range(TASKS)])
    finally:
        ray.shutdown()
    with wandb.init(job_type="collect", group=group) as run:
        whole = wandb.Artifact(ARTIFACT, type="result")
        whole.add(wandb.data_types.PartitionedTable("parts"), "all")
        version = run.finish_artifact(whole).wait()
        rows = [row for _, row in version.get("all").iterrows()]
        print(f"{version.qualified_name} has {len(rows)} rows of {TASKS} tasks")


if __name__ == "__main__":
    main()
