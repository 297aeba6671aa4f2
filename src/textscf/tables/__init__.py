"""Tables of the paper: our numbers beside the printed ones, and their files."""
