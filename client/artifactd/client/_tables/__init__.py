"""Tables: typed rows that are kept on disk, and stored in an artifact as JSON, one row a line.

`table` is what users hold. `columns` decides which rows fit, by what `cells` and `kinds` say of values and their
types; `rows` keeps the rows of a table in the making and `stored` reads them back; `storing` puts tables into
artifacts and gets them out. The format is described in `docs/tables.md`.
"""
