"""The key of an entry of the history never changes, whoever may lock the entry."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'an entry of % is never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OF entry_id ON point_history
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """
    )


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER append_only ON point_history")
    op.execute("DROP FUNCTION refuse_change()")
