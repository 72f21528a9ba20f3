"""Where the core keeps things: tables, the repository over them, migrations. SQLite by default;
nothing here but `database.py` knows which database it is."""
