"""What every script shares: command line, devices, workers, progress, and the record of where a result comes from."""
