"""The built-in checks: one file per family, one decorated pure function per check."""
