"""records.json, the single file of APT 2025: its tables, what each instrument does, what its templates are called."""
