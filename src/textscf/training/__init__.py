"""Training of registration networks (paper, section 4.2) and segmentors."""
