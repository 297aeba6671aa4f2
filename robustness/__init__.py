"""Bad inputs of every kind at the scripts and at the workflow: each must end soon, with one line, and leave nothing."""
