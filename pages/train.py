from app import shell

shell.ensure_entry()
