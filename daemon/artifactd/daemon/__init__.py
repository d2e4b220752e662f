"""The daemon: takes submissions at once, makes them durable, uploads in parallel, commits in order.

     socket                                                                    store       catalog
       │                                                                         ▲            ▲
       ▼                                                                         │            │
    ipc.listener ─► queue.journal ─► queue.submissions ─► pipeline.ingest ───────┤            │
                    (fsync, ack)     (order, states)      hash · look up · upload┘            │
                                            │                     │ ready                     │
                                            ▼                     ▼                           │
                                     queue.sequencer ─► pipeline.committer ───────────────────┘
                                     (per collection)   one transaction a batch

Start reading at `ipc.submit`, where a submission arrives, and follow it: `queue.operations.Accept`,
`queue.submissions.Queue.accept`, `pipeline.ingest`, `pipeline.committer`, `queue.ending`. `app` wires the
stages; nothing else knows more than one of them. The whole picture is in `docs/architecture.md`.
"""
