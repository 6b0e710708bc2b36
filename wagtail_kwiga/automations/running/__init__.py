"""The sweep: entering, leasing due runs, deciding, carrying out, ending."""
