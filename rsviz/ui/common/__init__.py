"""What several pages share: controls, jobs, charts, state."""
