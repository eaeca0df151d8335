"""Open seats are counted when somebody asks; the release before goes on writing what it counts itself."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COUNTED = "SELECT count(*) FROM seat WHERE date_id = NEW.date_id AND status IN ('AVAILABLE', 'OCCUPIED')"


def upgrade() -> None:
    """Apply.

    A sale by the new code leaves `concert_date` alone, so what the old code adds to or takes from `open_seats` is
    wrong. It writes its seats first, and then the date: here the truth takes the place of whatever it writes.
    """
    op.create_index(
        "ix_seat_open", "seat", ["date_id"], postgresql_where=sa.text("status IN ('AVAILABLE', 'OCCUPIED')")
    )
    op.drop_constraint("open_seats_not_negative", "concert_date", type_="check")
    op.alter_column("concert_date", "status", server_default="AVAILABLE")
    op.alter_column("concert_date", "open_seats", server_default="0")
    op.execute(
        f"""
        CREATE FUNCTION count_open_seats() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.open_seats := ({COUNTED});
            NEW.status := CASE WHEN NEW.open_seats > 0 THEN 'AVAILABLE' ELSE 'SOLD_OUT' END;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER counted BEFORE UPDATE ON concert_date
        FOR EACH ROW EXECUTE FUNCTION count_open_seats()
        """
    )


def downgrade() -> None:
    """Take back; the release before needs the numbers."""
    op.execute("UPDATE concert_date SET open_seats = open_seats")
    op.execute("DROP TRIGGER counted ON concert_date")
    op.execute("DROP FUNCTION count_open_seats()")
    op.alter_column("concert_date", "open_seats", server_default=None)
    op.alter_column("concert_date", "status", server_default=None)
    op.create_check_constraint("open_seats_not_negative", "concert_date", "open_seats >= 0")
    op.drop_index("ix_seat_open", "seat")
