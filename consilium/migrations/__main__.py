"""`python -m consilium.migrations "what changes"`: the next revision, from tables.py against the newest shape.

Read what it wrote: it knows nothing of triggers and of data. Then raise HEAD in `__init__.py`.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command

from consilium import migrations
from consilium.store import engine


def main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = engine.connect(f"sqlite:///{folder}/shape.db", 1)
        migrations.upgrade(made)
        number = f"{int(migrations.HEAD) + 1:04d}"
        with made.connect() as plain, plain.execution_options(writes=True).begin() as turn:
            config = migrations.config(plain)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            written = command.revision(config, message, autogenerate=True, rev_id=number)
            turn.rollback()
        made.dispose()
    sys.stdout.write(f"{Path(written.path).name}\n")  # type: ignore[union-attr]  # one revision is asked for, one is written


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "change")
