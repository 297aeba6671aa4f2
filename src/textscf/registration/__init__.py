"""Registration of pairs of scans by trained networks and iterative methods: fields, metrics and export."""
