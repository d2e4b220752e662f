"""What was accepted and in which order: the journal, the sequencer, the scheduler and the live queue."""
